"""The API contract: the operations, how requests are read and how responses are written."""
