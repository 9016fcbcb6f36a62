"""One synthesis of the stack: the template and the findings of cdk-nag."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Properties = dict[str, Any]


@dataclass(frozen=True)
class Synthesis:
    """The output of ``cdk synth``.

    Attributes:
        path: path of the template.
        findings: rule and construct of each finding.
    """

    path: Path
    findings: list[tuple[str, str]]

    @property
    def template(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path.read_text())
        return document

    def resources(self, kind: str) -> dict[str, Properties]:
        """Return the properties of all resources of a type, by logical id."""
        found = self.template["Resources"].items()
        return {name: each.get("Properties", {}) for name, each in found if each["Type"] == kind}

    def function(self, name: str) -> Properties:
        """Return the properties of the function with that name in the catalog."""
        (found,) = [each for each in self.functions.values() if _catalog_name(each) == name]
        return found

    @property
    def functions(self) -> dict[str, Properties]:
        """Return the product's functions, by logical id, without those of the construct library."""
        functions = self.resources("AWS::Lambda::Function")
        return {name: each for name, each in functions.items() if "FunctionName" in each}

    @property
    def function_names(self) -> set[str]:
        """Return the functions' names in the catalog."""
        return {_catalog_name(each) for each in self.functions.values()}

    def statements_of(self, name: str) -> list[dict[str, Any]]:
        """Return the policy statements of the function with that name."""
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
        """Return the actions that the function with that name is allowed."""
        allowing = [each for each in self.statements_of(name) if each["Effect"] == "Allow"]
        return {action for each in allowing for action in listed(each["Action"])}


def _catalog_name(function: Properties) -> str:
    return str(function["FunctionName"]).rsplit("-", 1)[-1]


def listed(value: Any) -> list[Any]:
    """Return a policy's element, which may be a single value, as a list."""
    return value if isinstance(value, list) else [value]


def statements(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the policy statements of a template with the logical ids of their resources."""

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


def whole(found: Synthesis, kind: str) -> list[dict[str, Any]]:
    """Return all resources of a type, with their deletion policies."""
    return [each for each in found.template["Resources"].values() if each["Type"] == kind]


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
