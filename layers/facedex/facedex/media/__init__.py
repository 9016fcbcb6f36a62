"""Frames of films and streams, faces followed through them, and persons. No SQL, no HTTP."""
