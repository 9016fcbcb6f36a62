"""Copies of galleries in memory, whose search is proved to miss no match."""
