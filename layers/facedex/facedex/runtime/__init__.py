"""What runs every function: services, the gateway's events, errors as answers, due messages."""
