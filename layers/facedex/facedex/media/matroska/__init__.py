"""Matroska as Kinesis Video Streams uses it: read piece by piece, cut into fragments."""
