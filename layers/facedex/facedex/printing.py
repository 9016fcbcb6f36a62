"""Text that comes from elsewhere, on its way to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text without what a terminal would obey: paths and names can have any byte."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
