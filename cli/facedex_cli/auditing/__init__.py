"""The audit log: export, verification, and rows of commands."""
