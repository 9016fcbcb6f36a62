"""The Postgres cluster in the data directory: set up, started, watched, stopped."""
