"""The runtime of every function: entries, services, log, metrics, errors and due messages."""
