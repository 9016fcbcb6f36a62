"""Matroska as Kinesis Video Streams speaks it: read a piece at a time, cut into fragments."""
