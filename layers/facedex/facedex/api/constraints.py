"""The service model's constraints on single values, with AWS's own error wording."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sized
from typing import Any, Final

from facedex.api.errors import ValidationException
from facedex.api.service_model import Shape

# Location of a value: (parent location, member name or one-based index), or None for the root.
Location = tuple[Any, str] | None

Constraint = Callable[[Any], str | None]

MOST_FOUND: Final = 10
_MOST_SHOWN: Final = 80  # characters of a value or of a map's key


class Violations:
    """The broken constraints of one document, collected so that all are reported at once.

    The check of a document ends with the tenth: a request with a million wrong members must not
    cost more than one with ten.
    """

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def add(self, value: Any, location: Location, demand: str) -> None:
        """Record that ``value`` at ``location`` does not satisfy ``demand``.

        Args:
            value: the value; the message quotes short text only, never binary data.
            location: where the value is in the document.
            demand: the constraint, as AWS words it.

        Raises:
            ValidationException: if this is the tenth violation.
        """
        self._sentences.append(
            f"Value {_show(value)} at '{spell(location)}' failed to satisfy constraint: {demand}"
        )
        if len(self._sentences) == MOST_FOUND:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise one error that lists the recorded violations, if there are any.

        Raises:
            ValidationException: if at least one violation was recorded.
        """
        count = len(self._sentences)
        if count:
            errors = "error" if count == 1 else "errors"
            shown = "; ".join(self._sentences)
            raise ValidationException(f"{count} validation {errors} detected: {shown}")


def spell(location: Location) -> str:
    """Format a location as AWS does: ``image.s3Object.bucket``, ``faceIds.2.member``."""
    parts: list[str] = []
    while location is not None:
        location, step = location
        step = _shorten(step)
        parts.append(f"{step}.member" if step.isdecimal() else step[:1].lower() + step[1:])
    return ".".join(reversed(parts))


def _show(value: Any) -> str:
    # Never show the content of a blob: it is a photo of a person.
    if isinstance(value, bytes):
        return f"of {len(value)} bytes"
    if value is None:
        return "null"
    if isinstance(value, list | dict):
        return f"of {len(value)} members"
    return f"'{_shorten(str(value))}'"


def _shorten(text: str) -> str:
    shown = text[:_MOST_SHOWN].encode("utf-8", "replace").decode()
    return f"{shown}…" if len(text) > _MOST_SHOWN else shown


def check_length(shape: Shape, *, otherwise: int) -> Constraint | None:
    """Return the check of the length of a shape's values before their members are visited.

    Args:
        shape: of the values.
        otherwise: maximum for lists and maps without one in the service model.

    Returns:
        None if the length is not limited, or is known only after the conversion.
    """
    kinds: dict[str, type[Sized]] = {"list": list, "map": dict, "string": str}
    kind = kinds.get(shape["type"])
    most: int | None = shape.get("max", None if kind is str else otherwise)
    if kind is None or most is None or "enum" in shape:
        return None
    demand = _too_long(most)
    return lambda value: demand if isinstance(value, kind) and len(value) > most else None


def constraints_of(shape: Shape) -> tuple[Constraint, ...]:
    """Return the checks for values of a shape.

    Returns:
        Functions that take a value and return the broken constraint's text, or None if it holds.
    """
    return tuple(_constraints_of(shape))


def _constraints_of(shape: Shape) -> Iterator[Constraint]:
    sized = shape["type"] not in ("integer", "long", "float", "double")
    if "enum" in shape:
        allowed = tuple(shape["enum"])
        demand = f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        yield lambda value: None if value in allowed else demand
    elif shape["type"] == "string":
        yield _check_text
    if "pattern" in shape:
        pattern = _compile(shape["pattern"])
        wanted = f"Member must satisfy regular expression pattern: {shape['pattern']}"
        yield lambda value: None if pattern.fullmatch(value) else wanted
    if "min" in shape:
        yield _at_least(shape["min"], sized)
    if "max" in shape:
        yield _at_most(shape["max"], sized)


def _check_text(value: str) -> str | None:
    """Reject characters that UTF-8 or Postgres cannot store and that no name in AWS contains.

    The service model's patterns, such as ``.+``, allow them.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return "Member must not have halves of surrogate pairs"
    return "Member must not have the character U+0000" if "\0" in value else None


def _compile(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern of the service model, which uses Java's syntax.

    The patterns of tags use Unicode categories, which Python's ``re`` lacks. Letters and numbers
    (``\\p{L}\\p{N}``) become ``\\w``, which adds the underscore that tags may contain anyway.
    Separators (``\\p{Z}``) are listed, as ``\\s`` would also match tabs and line ends.

    Digits and words (``\\d``, ``\\w``) are those of ASCII in Java.

    Roles and topics of regions in China or AWS GovCloud have ARNs of their own partition, though
    the model's patterns begin with ``arn:aws:``.
    """
    flags = re.NOFLAG if r"\p{" in pattern else re.ASCII
    for theirs, ours in _SPELLINGS.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(pattern, flags)


# All characters of Unicode's categories Zs, Zl and Zp.
_SEPARATORS: Final = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPELLINGS: Final = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": _SEPARATORS,
    "arn:aws:": "arn:aws(?:-[a-z]+)*:",
}


def _at_least(low: float, sized: bool) -> Constraint:
    demand = f"Member must have {_measure(sized)} greater than or equal to {_spell_number(low)}"
    if sized:
        return lambda value: None if len(value) >= low else demand
    return lambda value: None if value >= low else demand


def _too_long(high: float, sized: bool = True) -> str:
    return f"Member must have {_measure(sized)} less than or equal to {_spell_number(high)}"


def _at_most(high: float, sized: bool) -> Constraint:
    demand = _too_long(high, sized)
    if sized:
        return lambda value: None if len(value) <= high else demand
    return lambda value: None if value <= high else demand


def _measure(sized: bool) -> str:
    return "length" if sized else "value"


def _spell_number(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
