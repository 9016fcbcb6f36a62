"""The embedded Postgres cluster in the data directory."""
