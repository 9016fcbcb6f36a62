"""Local replacements for AWS's background services: queues, event sources and workers."""
