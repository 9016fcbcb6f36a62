"""Metrics of the server's processes in Prometheus' text format."""
