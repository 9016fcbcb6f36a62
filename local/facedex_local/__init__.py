"""Stand-ins for AWS on one machine: an HTTP server with the API and S3, Postgres, and workers."""
