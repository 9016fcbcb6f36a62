"""Names of resources, and CloudFormation's limits."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.synthesis import Synthesis


def test_names_distinguish_environments(synthesis_of: Any) -> None:
    def names(name: str) -> set[str]:
        fields = ("FunctionName", "LogGroupName", "BucketName", "DashboardName", "Name")
        return {
            text
            for each in synthesis_of(name).template["Resources"].values()
            for properties in [each.get("Properties", {})]
            for field in fields
            if field in properties
            for text in [json.dumps(properties[field])]
            if "facedex" in text
        }

    assert not names("default") & names("full")


def test_a_stack_is_small_enough_for_cloudformation(synthesis: Synthesis) -> None:
    assert len(synthesis.template["Resources"]) <= 500
    assert synthesis.path.stat().st_size <= 1_000_000


def test_the_longest_names_fit(synthesis_of: Any) -> None:
    longest = {"FunctionName": 64, "LayerName": 140, "BucketName": 63, "DBProxyName": 60}
    spare = 20 - len("full")  # additional bytes of the longest environment
    for properties in (
        each.get("Properties", {}) for each in synthesis_of("full").template["Resources"].values()
    ):
        for field, most in longest.items():
            name = properties.get(field)
            if isinstance(name, dict) and "Fn::Join" in name:
                # Allow eight characters for an id where the parts are joined.
                name = "".join(x if isinstance(x, str) else "x" * 8 for x in name["Fn::Join"][1])
            if isinstance(name, str):
                assert len(name) + spare <= most, name
