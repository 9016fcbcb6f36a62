"""The stack's parts, one concern each."""
