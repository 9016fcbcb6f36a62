"""Measurement of a pack's error rates and calibration on photos."""
