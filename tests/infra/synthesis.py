"""One synthesis of the stack: the template, and what cdk-nag has to say about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Properties = dict[str, Any]


@dataclass(frozen=True)
class Synthesis:
    """What ``cdk synth`` has written.

    Attributes:
        path: of the template.
        findings: rule and construct of everything that a check found.
    """

    path: Path
    findings: list[tuple[str, str]]

    @property
    def template(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path.read_text())
        return document

    def resources(self, kind: str) -> dict[str, Properties]:
        """The properties of all resources of a kind, by logical id."""
        found = self.template["Resources"].items()
        return {name: each.get("Properties", {}) for name, each in found if each["Type"] == kind}

    def function(self, name: str) -> Properties:
        """The properties of the function of that name in the catalog."""
        (found,) = [each for each in self.functions.values() if _catalog_name(each) == name]
        return found

    @property
    def functions(self) -> dict[str, Properties]:
        """The product's own functions, by logical id; not those of the construct library."""
        functions = self.resources("AWS::Lambda::Function")
        return {name: each for name, each in functions.items() if "FunctionName" in each}

    @property
    def function_names(self) -> set[str]:
        """The functions' names in the catalog."""
        return {_catalog_name(each) for each in self.functions.values()}

    def statements_of(self, name: str) -> list[dict[str, Any]]:
        """What the function of that name is allowed and denied."""
        role = self.function(name)["Role"]["Fn::GetAtt"][0]
        inline = self.template["Resources"][role]["Properties"].get("Policies", [])
        attached = [
            each
            for each in self.resources("AWS::IAM::Policy").values()
            if {"Ref": role} in each["Roles"]
        ]
        return [
            statement
            for policy in (*inline, *attached)
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def allowed(self, name: str) -> set[str]:
        """The actions that the function of that name is allowed."""
        allowing = [each for each in self.statements_of(name) if each["Effect"] == "Allow"]
        return {action for each in allowing for action in listed(each["Action"])}


def _catalog_name(function: Properties) -> str:
    return str(function["FunctionName"]).rsplit("-", 1)[-1]


def listed(value: Any) -> list[Any]:
    """A policy's element, which may stand alone, as a list."""
    return value if isinstance(value, list) else [value]


def statements(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy statement of a template, with the logical id of its resource."""

    def walk(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, Mapping):
            if "Effect" in value and "Action" in value:
                yield dict(value)
            for each in value.values():
                yield from walk(each)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each)

    for name, resource in template["Resources"].items():
        for statement in walk(resource):
            yield name, statement


def synthesise(context: Mapping[str, Any], directory: Path) -> Synthesis:
    """Synthesise the app with settings, and check it by the rules of AwsSolutions."""
    from aws_cdk import Validations
    from cdk_nag import AwsSolutionsChecks

    from infra.app import app

    made = app(context, outdir=str(directory))
    Validations.of(made).add_plugins(AwsSolutionsChecks(made))
    failure = ""
    try:
        made.synth()
    except RuntimeError as error:
        failure = str(error)
    (path,) = directory.glob("*.template.json")
    report = json.loads((directory / "validation-report.json").read_text())
    findings = [
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    assert findings or not failure, failure
    return Synthesis(path, findings)


Synthesise = Callable[..., Synthesis]
