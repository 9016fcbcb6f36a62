"""Films to frames, faces that are followed through them, and who is who. Knows no SQL, no HTTP."""
