"""Pixels to faces to vectors. Knows no SQL, no HTTP and no environment variables."""
