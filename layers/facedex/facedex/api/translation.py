"""Translation and validation of the service model's documents, member by member.

Each shape is compiled once per process into a closure, so that translating a document only visits
the members that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from facedex.api.constraints import Location, Violations, check_length, constraints_of
from facedex.api.service_model import shape

Translation = Callable[[Any, Location, Violations], Any]

# The service model does not limit every list of a request; this is its largest limit.
_MOST_MEMBERS: Final = 4096


class Translator:
    """Translate documents with a table of scalar conversions.

    Args:
        scalars: for each scalar type of the service model, a conversion that returns None for
            values that it cannot convert, and the type's name in error messages.
        refuse: makes the error for a value of the wrong type, from the value, the expected type
            and the location.
        strict: whether a structure's unknown members are errors; otherwise they are dropped.
    """

    def __init__(
        self,
        scalars: Mapping[str, tuple[Callable[[Any], Any], str]],
        refuse: Callable[[Any, str, Location], Exception],
        *,
        strict: bool,
    ) -> None:
        self._scalars = scalars
        self._refuse = refuse
        self._strict = strict
        self._compiled: dict[str, Translation] = {}

    def translate(self, shape_name: str, document: Any) -> dict[str, Any]:
        """Translate a document of the named structure.

        Raises:
            ValidationException: if members are missing or break constraints; the message lists
                all of them, or the first ten.
            Exception: the error made by ``refuse``, if a member has the wrong type.
        """
        violations = Violations()
        translated: dict[str, Any] = self._of(shape_name)(document, None, violations)
        violations.raise_if_any()
        return translated

    def _of(self, name: str) -> Translation:
        if name not in self._compiled:
            self._compiled[name] = self._compile(name)
        return self._compiled[name]

    def _compile(self, name: str) -> Translation:
        definition = shape(name)
        match definition["type"]:
            case "structure":
                convert = self._structure(name)
            case "list":
                convert = self._list(definition["member"]["shape"])
            case "map":
                convert = self._map(definition["key"]["shape"], definition["value"]["shape"])
            case kind:
                convert = self._scalar(kind)
        # Requests and responses share shapes. FaceIds in a request must not be empty, but AWS
        # itself returns an empty DeletedFaces of the same shape: a list's minimum length applies
        # to requests only.
        without_minimum = {key: value for key, value in definition.items() if key != "min"}
        may_be_empty = self._strict and definition["type"] == "list"
        constraints = constraints_of(without_minimum if may_be_empty else definition)
        too_long = None if self._strict else check_length(definition, otherwise=_MOST_MEMBERS)
        if not constraints and too_long is None:
            return convert

        def checked(value: Any, location: Location, violations: Violations) -> Any:
            # Before the members are visited, or the text is compared with a pattern.
            if too_long is not None and (demand := too_long(value)) is not None:
                violations.add(value, location, demand)
                return value
            converted = convert(value, location, violations)
            for constraint in constraints:
                demand = constraint(converted)
                if demand is not None:
                    violations.add(converted, location, demand)
            return converted

        return checked

    def _structure(self, name: str) -> Translation:
        definition = shape(name)
        required = tuple(definition.get("required", ()))
        members = {member: body["shape"] for member, body in definition["members"].items()}

        def structure(value: Any, location: Location, violations: Violations) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise self._refuse(value, "a structure", location)
            translated: dict[str, Any] = {}
            for member, item in value.items():
                if item is None:
                    continue
                if member in members:
                    # Compiled on first use, because shapes may contain themselves.
                    translate = self._of(members[member])
                    translated[member] = translate(item, (location, member), violations)
                elif self._strict:
                    absent = f"absent: {name} has no such member"
                    raise self._refuse(item, absent, (location, member))
            for member in required:
                if member not in translated:
                    violations.add(None, (location, member), "Member must not be null")
            return translated

        return structure

    def _list(self, member: str) -> Translation:
        def items(value: Any, location: Location, violations: Violations) -> list[Any]:
            if not isinstance(value, list | tuple):
                raise self._refuse(value, "a list", location)
            translate = self._of(member)
            return [
                translate(item, (location, str(index)), violations)
                for index, item in enumerate(value, start=1)
            ]

        return items

    def _map(self, key: str, member: str) -> Translation:
        def entries(value: Any, location: Location, violations: Violations) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise self._refuse(value, "a map", location)
            translate_key, translate = self._of(key), self._of(member)
            return {
                translate_key(name, (location, str(name)), violations): translate(
                    item, (location, str(name)), violations
                )
                for name, item in value.items()
            }

        return entries

    def _scalar(self, kind: str) -> Translation:
        convert, wanted = self._scalars[kind]

        def scalar(value: Any, location: Location, _violations: Violations) -> Any:
            converted = convert(value)
            if converted is None:
                raise self._refuse(value, wanted, location)
            return converted

        return scalar
