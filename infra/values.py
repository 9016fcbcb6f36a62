"""The types of a deployment's settings, and what values they accept.

Values from the command line (``cdk deploy -c waf=true``) come as text, those from ``cdk.json`` as
JSON; both mean the same. A validator's message says what a setting must be, without its name, which
``infra.settings`` puts before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

from facedex.settings import Audit

_Number = TypeVar("_Number", int, float)


class Auth(StrEnum):
    """Callers that are let in: IAM principals, holders of access keys, or all (private only)."""

    IAM = "iam"
    KEYS = "keys"
    NONE = "none"


class DatabaseAuth(StrEnum):
    """How functions authenticate to a user's own database."""

    IAM = "iam"
    PASSWORD = "password"  # noqa: S105 - a way, not a password


class Reach(StrEnum):
    """Networks from which the API can be called."""

    REGIONAL = "regional"
    PRIVATE = "private"


class Retention(StrEnum):
    """The fate of the data when the stack is destroyed."""

    DESTROY = "destroy"
    SNAPSHOT = "snapshot"
    RETAIN = "retain"


class Architecture(StrEnum):
    """CPUs that the functions run on, in Lambda's names."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


class Traffic(StrEnum):
    """Traffic of the network that is logged."""

    OFF = "off"
    REJECTED = "rejected"
    ALL = "all"


class Choice(StrEnum):
    """A flag whose default depends on other settings."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


def _flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,10}", value) else value


def _decimal(value: Any) -> Any:
    fits = isinstance(value, str) and re.fullmatch(r"\d{1,6}(\.\d+)?", value)
    return float(value) if fits else value


def _texts(value: Any) -> Any:
    items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"must be a list, or text with commas, not {value!r}.")
    return tuple(item for item in items if item)


def _member(members: type[StrEnum]) -> Callable[[Any], StrEnum]:
    def read(value: Any) -> StrEnum:
        return members(one_of(list(members))(value))

    return read


def _choice(value: Any) -> Choice:
    return Choice(one_of(list(Choice))(str(value).lower() if isinstance(value, bool) else value))


def one_of(values: Collection[Any]) -> Callable[[Any], Any]:
    """Return a validator that accepts certain values only."""

    def check(value: Any) -> Any:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(map(str, values))}, not {value!r}.")
        return value

    return check


def within(low: float, high: float) -> AfterValidator:
    """Return a validator that accepts numbers from ``low`` to ``high``."""

    def check(value: _Number) -> _Number:
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}, not {value:g}.")
        return value

    return AfterValidator(check)


def like(pattern: str, example: str) -> AfterValidator:
    """Return a validator that accepts texts of a form.

    Args:
        pattern: a regular expression for the whole text.
        example: a text of that form, for the message.
    """

    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ValueError(f"must be like {example}, not {value!r}.")
        return values

    return AfterValidator(check)


def empty_or(pattern: str, form: str) -> AfterValidator:
    """Return a validator that accepts no text, or text of a form.

    Args:
        pattern: a regular expression for the whole text.
        form: the form in words, for the message.
    """

    def check(value: str) -> str:
        if value and not re.fullmatch(pattern, value):
            raise ValueError(f"must be {form}, not {value!r}.")
        return value

    return AfterValidator(check)


def _network(value: str) -> str:
    try:
        fits = 16 <= IPv4Network(value).prefixlen <= 24
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"must be like 10.60.0.0/22, not {value!r}.")
    return value


def _environment(value: str) -> str:
    if not re.fullmatch(r"(?!.*--)[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?", value):
        raise ValueError(
            "must be 1 to 20 lower-case letters, digits and single hyphens, the first a letter and"
            f" the last no hyphen, not {value!r}."
        )
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_decimal)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]

AuthOption = Annotated[Auth, BeforeValidator(_member(Auth))]
DatabaseAuthOption = Annotated[DatabaseAuth, BeforeValidator(_member(DatabaseAuth))]
ReachOption = Annotated[Reach, BeforeValidator(_member(Reach))]
RetentionOption = Annotated[Retention, BeforeValidator(_member(Retention))]
AuditOption = Annotated[Audit, BeforeValidator(_member(Audit))]
TrafficOption = Annotated[Traffic, BeforeValidator(_member(Traffic))]
ChoiceOption = Annotated[Choice, BeforeValidator(_choice)]
ArchitectureOption = Annotated[Architecture, BeforeValidator(_member(Architecture))]

Network = Annotated[str, AfterValidator(_network)]
EnvironmentName = Annotated[str, AfterValidator(_environment)]
