"""Face detection and embedding, without SQL, HTTP or environment variables."""
