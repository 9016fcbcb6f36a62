"""The console: its files, served by API Gateway."""
