"""Updating and tagging stream processors through the front door."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.stream_requests import (
    ARN,
    DOOR,
    REGION,
    claim,
    endpoint,
    good,
    messages,
    named,
    refused,
    rows,
)

__all__ = ["endpoint", "messages"]


def test_data_sharing_can_be_updated() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    claim()
    before = good("DescribeStreamProcessor", Name="door")
    assert (
        good("UpdateStreamProcessor", Name="door", DataSharingPreferenceForUpdate={"OptIn": True})
        == {}
    )
    after = good("DescribeStreamProcessor", Name="door")
    assert after["DataSharingPreference"] == {"OptIn": True}
    assert after["LastUpdateTimestamp"] > before["LastUpdateTimestamp"]
    assert after["Status"] == "RUNNING"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "There is nothing to update"),
        ({"ParametersToDelete": []}, "There is nothing to update"),
        ({"ParametersToDelete": ["RegionsOfInterest"]}, "ParametersToDelete must be omitted"),
        ({"RegionsOfInterestForUpdate": REGION}, "RegionsOfInterestForUpdate must be omitted"),
        (
            {
                "SettingsForUpdate": {"ConnectedHomeForUpdate": {"MinConfidence": 50}},
                "DataSharingPreferenceForUpdate": {"OptIn": True},
            },
            "SettingsForUpdate must be omitted",
        ),
    ],
)
def test_update_of_anything_but_data_sharing_is_refused(
    members: dict[str, Any], words: str
) -> None:
    good("CreateStreamProcessor", **DOOR)
    before = rows()
    code, message = refused("UpdateStreamProcessor", Name="door", **members)
    assert (code, words in message) == ("InvalidParameterException", True), message
    assert rows() == before


def test_processor_can_be_tagged() -> None:
    good("CreateStreamProcessor", **named(Tags={"site": "north", "team": "door"}))
    good("TagResource", ResourceArn=ARN, Tags={"site": "south", "floor": "1"})
    good("UntagResource", ResourceArn=ARN, TagKeys=["team"])
    assert good("ListTagsForResource", ResourceArn=ARN)["Tags"] == {"site": "south", "floor": "1"}
    before = rows()
    more = {f"tag{number}": "x" for number in range(49)}
    code, _ = refused("TagResource", ResourceArn=ARN, Tags=more)
    assert code == "ServiceQuotaExceededException"
    for operation, members in (
        ("TagResource", {"Tags": {"a": "b"}}),
        ("UntagResource", {"TagKeys": ["site"]}),
        ("ListTagsForResource", {}),
    ):
        for arn in (ARN.replace("door", "nowhere"), ARN.replace("us-east-1", "eu-west-1")):
            assert refused(operation, ResourceArn=arn, **members)[0] == "ResourceNotFoundException"
        code, message = refused(operation, ResourceArn=ARN.replace("/", ":"), **members)
        assert (code, ARN.replace("door", "NAME") in message) == ("InvalidParameterException", True)
    assert rows() == before
