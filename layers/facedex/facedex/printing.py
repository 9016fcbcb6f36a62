"""Output of untrusted text and of numbers to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape control characters, as paths and names from outside may contain terminal commands."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def counted(number: int, one: str, several: str | None = None) -> str:
    """Return a number with its noun, such as "1 file" or "2,000 files".

    Args:
        number: the number.
        one: the noun, or a sentence with it, for the number 1.
        several: the same for other numbers, unless they only add an "s".
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
