"""Work that several functions share: indexing, searching, stored and live video, tags."""
