"""What stands in for AWS on one machine: Postgres, S3 and the gateway behind one port."""
