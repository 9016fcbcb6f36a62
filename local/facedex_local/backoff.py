"""The delay before a process that has died is started again."""

from __future__ import annotations

from typing import Final

FIRST_WAIT: Final = 0.5  # seconds
# A process that lives for fewer seconds is expected to die again.
_MIN_LIFETIME: Final = 30.0


def next_wait(wait: float, *, age: float, longest: float) -> float:
    """Return the next delay in seconds: twice the last one if the process died soon.

    Args:
        wait: the last delay.
        age: seconds for which the process has lived.
        longest: the longest delay.
    """
    return min(2 * wait, longest) if age < _MIN_LIFETIME else FIRST_WAIT
