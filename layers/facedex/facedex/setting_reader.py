"""Reading of settings from environment variables, with errors that name the variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

_Choice = TypeVar("_Choice", bound=StrEnum)

_REGION: Final = re.compile(r"[a-z]{2}[a-z0-9-]{1,30}")  # as in signatures, see api/arns.py


class SettingError(RuntimeError):
    """A setting is missing or invalid; the message names it and its valid values."""


class Reader:
    """Reads environment variables; an empty one is the same as one that is not set.

    All methods raise :class:`SettingError` for an invalid value.

    Args:
        environment: the variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text, which must be set if there is no default."""
        value = self._environment.get(name) or default
        if value is None:
            raise SettingError(f"The environment variable {name} is not set.")
        return value

    def region(self, name: str, default: str) -> str:
        """Return the name of a region, in the form that SDKs accept."""
        value = self.text(name, default)
        if not _REGION.fullmatch(value):
            raise SettingError(f"{name} must be a region such as {default}, not {value!r}.")
        return value

    def whole(self, name: str, default: int, *, least: int = 1) -> int:
        """Return a whole number."""
        value = self._environment.get(name)
        if not value:
            return default
        if not value.isdecimal() or int(value) < least:
            raise SettingError(f"{name} must be a whole number of at least {least}, not {value!r}.")
        return int(value)

    def rate(self, name: str) -> float | None:
        """Return a number above 0."""
        value = self._environment.get(name)
        try:
            rate = float(value) if value else None
        except ValueError:
            rate = 0.0
        if rate is not None and not 0 < rate < inf:
            raise SettingError(f"{name} must be a number above 0, not {value!r}.")
        return rate

    def path(self, name: str) -> Path | None:
        """Return a path."""
        value = self._environment.get(name)
        return Path(value) if value else None

    def several(self, name: str) -> tuple[str, ...]:
        """Return texts that are separated by commas."""
        parts = self._environment.get(name, "").split(",")
        return tuple(part.strip() for part in parts if part.strip())

    def identity(self, name: str) -> UUID | None:
        """Return a UUID."""
        value = self._environment.get(name)
        try:
            return UUID(value) if value else None
        except ValueError:
            raise SettingError(f"{name} must be a UUID, not {value!r}.") from None

    def flag(self, name: str) -> bool:
        """Return whether the text is ``true``; it is false by default."""
        value = self._environment.get(name) or "false"
        if value not in ("true", "false"):
            raise SettingError(f"{name} must be true or false, not {value!r}.")
        return value == "true"

    def topics(self, name: str) -> frozenset[str] | None:
        """Return the topics that are allowed: ``none`` is an empty set."""
        value = self._environment.get(name)
        if not value:
            return None
        return frozenset() if value == "none" else frozenset(value.split(","))

    def one_of(self, choices: type[_Choice], name: str, default: _Choice | None = None) -> _Choice:
        """Return one of some values, which must be set if there is no default."""
        value = self.text(name, default)
        try:
            return choices(value)
        except ValueError:
            raise SettingError(
                f"{name} must be one of {', '.join(choices)}, not {value!r}."
            ) from None
