from __future__ import annotations

import shutil

import pytest

from facedex.api.catalog import OPERATIONS

pytest.importorskip("aws_cdk", reason="the CDK is not installed; it comes with .[infra]")


def test_every_function_of_the_catalog_has_a_log_that_ends_with_the_stack() -> None:
    if shutil.which("node") is None:
        pytest.skip("the CDK needs node")
    from aws_cdk.assertions import Template

    from infra.app import app

    stack = app().node.find_child("facedex")
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup")  # type: ignore[arg-type]
    names = {group["Properties"]["LogGroupName"] for group in groups.values()}
    expected = {"front_door", *(row.function for row in OPERATIONS.values())}
    assert names == {f"/aws/lambda/facedex-{name}" for name in expected}
    assert {group["DeletionPolicy"] for group in groups.values()} == {"Delete"}
