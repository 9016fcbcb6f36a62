"""Matroska as Kinesis Video Streams uses it: incremental parsing into fragments."""
