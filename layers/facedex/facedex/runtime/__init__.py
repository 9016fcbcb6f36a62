"""The runtime of every function: entry points, services, logs, metrics, errors, due messages."""
