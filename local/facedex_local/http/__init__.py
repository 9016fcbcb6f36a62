"""The HTTP server and the conversion of requests into API Gateway events."""
