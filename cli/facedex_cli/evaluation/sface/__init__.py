"""Measurement of the tables for SFace in 8 bits."""
