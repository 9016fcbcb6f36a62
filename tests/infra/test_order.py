"""The order in which CloudFormation creates and changes what the database's schema needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.infra.synthesis import Synthesis, listed, whole


def _named_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        if "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        for each in value.values():
            yield from _named_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named_in(each)


def _before(found: Synthesis, kind: str) -> set[str]:
    """Return the logical ids of all resources that must exist before the one of a type."""
    resources = found.template["Resources"]
    (last,) = found.resources(kind)
    waiting, seen = [last], set[str]()
    while waiting:
        resource = resources[waiting.pop()]
        needed = {*listed(resource.get("DependsOn", [])), *_named_in(resource.get("Properties"))}
        waiting += (needed - seen) & set(resources)
        seen |= needed
    return seen


def test_the_schema_waits_for_the_whole_way_to_the_database(synthesis: Synthesis) -> None:
    """Rules of groups and the target of a proxy are resources that nothing refers to."""
    earlier = _before(synthesis, "Custom::FacedexSchema")
    rules = {
        name: rule
        for side in ("Ingress", "Egress")
        for name, rule in synthesis.resources(f"AWS::EC2::SecurityGroup{side}").items()
        if rule["FromPort"] != 443
    }
    database = synthesis.resources("AWS::RDS::DBInstance")
    assert bool(rules) is bool(database)
    assert {*rules, *database, *synthesis.resources("AWS::RDS::DBProxyTargetGroup")} <= earlier


def test_a_paused_database_is_woken_before_it_is_prepared(synthesis_of: Any) -> None:
    """The Data API fails while a database resumes, and the CDK's function does not repeat it."""
    for name in ("default", "hardened"):
        found = synthesis_of(name)
        (waking,) = found.resources("Custom::FacedexWaking")
        prepared = next(n for n in found.resources("Custom::AWS") if "Preparation" in n)
        assert waking in found.template["Resources"][prepared]["DependsOn"]
        properties = found.resources("Custom::FacedexWaking")[waking]
        assert properties["Action"] == "wake"
        called = found.template["Resources"][properties["ServiceToken"]["Fn::GetAtt"][0]]
        assert called["Properties"]["FunctionName"].endswith("-migrate")
        earlier = _before(found, "Custom::FacedexWaking")
        assert {*found.resources("AWS::RDS::DBInstance")} <= earlier
    # One behind a proxy, which never pauses, and the user's own.
    for name in ("private", "existing"):
        assert not whole(synthesis_of(name), "Custom::FacedexWaking")
