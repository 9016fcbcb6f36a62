"""Values of settings out of a CDK app's context: text from the command line, JSON from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, Final, cast, get_origin

from infra.errors import SettingsError


def read(name: str, value: Any, wanted: type | UnionType) -> Any:
    """A setting's value.

    Args:
        name: the setting's.
        wanted: its type: bool, int, float, str, a tuple of text, or an enumeration of text.

    Raises:
        SettingsError: the value has another form.
    """
    if get_origin(wanted) is tuple:
        return _read_list(name, value)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        if value not in list(wanted):
            raise SettingsError(f"{name} must be one of {', '.join(wanted)}, not {value!r}.")
        return wanted(value)
    read, form = _FORMS[cast("type", wanted)]
    read_value = read(value)
    if read_value is None:
        raise SettingsError(f"{name} must be {form}, not {value!r}.")
    return read_value


def _read_list(name: str, value: Any) -> tuple[str, ...]:
    items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise SettingsError(f"{name} must be a list, or text with commas, not {value!r}.")
    return tuple(item for item in items if item)


def _flag(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _whole(value: Any) -> int | None:
    fits = isinstance(value, int | str) and re.fullmatch(r"\d{1,10}", str(value))
    return int(value) if fits and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    fits = isinstance(value, int | float | str) and re.fullmatch(r"\d{1,6}(\.\d+)?", str(value))
    return float(value) if fits and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_FORMS: Final[Mapping[type, tuple[Any, str]]] = {
    bool: (_flag, "true or false"),
    int: (_whole, "a whole number"),
    float: (_number, "a number"),
    str: (_text, "text"),
}
