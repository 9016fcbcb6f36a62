"""A deployment's settings, read from the CDK's context.

From the command line (``cdk deploy -c environment=prod -c auth=keys``) every value comes as text,
from ``cdk.json`` as JSON. The page for users, docs/deploy.md, lists these same fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from infra.fields import StackFields
from infra.rules import mistakes

# The CDK's own keys, and its caches of look-ups, have a colon, a slash or an @ in them, except
# these; `cdk acknowledge` and `cdk cli-telemetry` write theirs to cdk.context.json.
_FOREIGN: Final = re.compile(r"[:/@]|^(acknowledged-issue-numbers|cli-telemetry|tree)$")

# What a value must be, by pydantic's name of the error.
_FORMS: Final = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
}


class SettingsError(ValueError):
    """A setting is unknown, has the wrong form, or does not go with another.

    The message is one sentence for the person at the terminal: what was wrong and what to do.
    """


@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True))
class StackSettings(StackFields):
    """A deployment's settings, valid by themselves and together."""

    @model_validator(mode="after")
    def _check_rules(self) -> StackSettings:
        for sentence in mistakes(self):
            raise ValueError(sentence)
        return self

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> StackSettings:
        """Read the settings from a CDK app's whole context.

        Raises:
            SettingsError: if a setting is unknown, has the wrong form, or does not go with another.
        """
        own = {name: value for name, value in context.items() if not _FOREIGN.search(name)}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(own) - known):
            raise SettingsError(
                f"There is no setting {unknown[0]!r}; there are {', '.join(sorted(known))}."
            )
        try:
            return cls(**own)
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Return the first thing that is wrong, as a sentence."""
    first = error.errors()[0]
    if first["type"] == "value_error":
        what = str(first["ctx"]["error"])
    else:
        what = f"must be {_FORMS[first['type']]}, not {first['input']!r}."
    return " ".join([*map(str, first["loc"]), what])
