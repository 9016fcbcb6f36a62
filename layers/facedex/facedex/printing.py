"""Safe output of untrusted text to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape control characters, as paths and names from outside may contain terminal commands."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
