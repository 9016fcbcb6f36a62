"""The HTTP server, and what turns requests into API Gateway events."""
