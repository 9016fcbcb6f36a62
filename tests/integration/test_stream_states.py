"""Every operation of stream processors in every state: what it answers, and the state after it."""

from __future__ import annotations

from typing import Any

import pytest

from facedex.runtime import services
from facedex.store import stream_runs
from tests.integration.stream_requests import (
    ARN,
    DOOR,
    REGION,
    answer,
    claim,
    endpoint,
    expire_lease,
    good,
    messages,
    refused,
)

__all__ = ["endpoint", "messages"]

IN_USE = "ResourceInUseException"
MISSING = "ResourceNotFoundException"
GOOD = ""

OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("CreateStreamProcessor", DOOR),
    "describe": ("DescribeStreamProcessor", {"Name": "door"}),
    "start": ("StartStreamProcessor", {"Name": "door"}),
    "stop": ("StopStreamProcessor", {"Name": "door"}),
    "update": (
        "UpdateStreamProcessor",
        {"Name": "door", "DataSharingPreferenceForUpdate": {"OptIn": True}},
    ),
    "delete": ("DeleteStreamProcessor", {"Name": "door"}),
    "tag": ("TagResource", {"ResourceArn": ARN, "Tags": {"a": "b"}}),
    "untag": ("UntagResource", {"ResourceArn": ARN, "TagKeys": ["a"]}),
    "tags": ("ListTagsForResource", {"ResourceArn": ARN}),
}

# State before: operation -> error or none, and the state after, "" for the same.
SAME = dict.fromkeys(("describe", "update", "tag", "untag", "tags"), (GOOD, ""))
TABLE: dict[str, dict[str, tuple[str, str]]] = {
    "ABSENT": {
        **dict.fromkeys(OPERATIONS, (MISSING, "")),
        "create": (GOOD, "STOPPED"),
    },
    "STOPPED": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (GOOD, "STARTING"),
        "stop": (IN_USE, ""),
        "delete": (GOOD, "ABSENT"),
    },
    "STARTING": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (IN_USE, ""),
        "stop": (GOOD, "STOPPED"),
        "delete": (GOOD, "ABSENT"),
    },
    "RUNNING": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (IN_USE, ""),
        "stop": (GOOD, "STOPPING"),
        "delete": (IN_USE, ""),
    },
    "RUNNING, worker dead": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (IN_USE, ""),
        "stop": (GOOD, "STOPPED"),
        "delete": (IN_USE, ""),
    },
    "STOPPING": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (IN_USE, ""),
        "stop": (GOOD, ""),
        "delete": (GOOD, "ABSENT"),
    },
    "STOPPING, worker dead": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (GOOD, "STARTING"),
        "stop": (IN_USE, ""),
        "delete": (GOOD, "ABSENT"),
    },
    "FAILED": {
        **SAME,
        "create": (IN_USE, ""),
        "start": (GOOD, "STARTING"),
        "stop": (IN_USE, ""),
        "delete": (GOOD, "ABSENT"),
    },
    "deleted while STOPPING": {
        **dict.fromkeys(OPERATIONS, (MISSING, "")),
        "create": (GOOD, "STOPPED"),
    },
}

# Rekognition's sentences for a processor that is in use, with which the messages begin.
SENTENCES = {
    "create": "Stream processor name already in use.",
    "start": "Specified resource is in use.",
    "stop": "Processor not available for stopping stream.",
    "delete": "Cannot delete stream processor.",
}

# The advice in a refusal, by state and operation.
ADVICE = {
    ("RUNNING", "delete"): "stop it first with StopStreamProcessor",
    ("RUNNING, worker dead", "delete"): "stop it first with StopStreamProcessor",
    ("STARTING", "start"): "it is started already",
    ("RUNNING", "start"): "it is started already",
    ("RUNNING, worker dead", "start"): "it is started already",
    ("STOPPING", "start"): "start it when it is STOPPED",
    ("STOPPED", "stop"): "there is nothing to stop",
    ("STOPPING, worker dead", "stop"): "there is nothing to stop",
    ("FAILED", "stop"): "there is nothing to stop",
}


def reach(state: str) -> None:
    """Bring the processor into a state with operations and as its worker."""
    if state == "ABSENT":
        return
    good("CreateStreamProcessor", **DOOR)
    if state == "STOPPED":
        return
    good("StartStreamProcessor", Name="door")
    if state == "STARTING":
        return
    lease = claim()
    if state == "FAILED":
        with services.database().transaction() as connection:
            stream_runs.fail_run(connection, lease, "The stream is gone.")
    if "STOPPING" in state:
        good("StopStreamProcessor", Name="door")
    if "deleted" in state:
        good("DeleteStreamProcessor", Name="door")
    if "dead" in state:
        expire_lease()


def state_now() -> str:
    status, document = answer("DescribeStreamProcessor", Name="door")
    listed = {
        each["Name"]: each["Status"] for each in good("ListStreamProcessors")["StreamProcessors"]
    }
    state = document["Status"] if status == 200 else "ABSENT"
    assert listed == ({} if state == "ABSENT" else {"door": state})
    return str(state)


@pytest.mark.parametrize(
    ("state", "operation"), [(state, name) for state, row in TABLE.items() for name in row]
)
def test_operation_in_state(state: str, operation: str) -> None:
    error, after = TABLE[state][operation]
    reach(state)
    before = state_now()
    name, members = OPERATIONS[operation]
    status, document = answer(name, **members)
    assert (status, document.get("__type", "")) == ((400, error) if error else (200, "")), document
    message = document.get("Message", "")
    assert ADVICE.get((state, operation), "") in message
    if error == IN_USE:
        assert message.startswith(SENTENCES[operation])
    assert state_now() == (after or before)


def test_every_operation_has_an_answer_in_every_state() -> None:
    assert all(row.keys() == OPERATIONS.keys() for row in TABLE.values())
    in_use = {
        (state, operation)
        for state, row in TABLE.items()
        for operation, (error, _) in row.items()
        if error == IN_USE and operation != "create"
    }
    assert in_use == ADVICE.keys()


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("StartStreamProcessor", {}),
        ("StopStreamProcessor", {}),
        ("DescribeStreamProcessor", {}),
        ("StartStreamProcessor", {"StopSelector": {"MaxDurationInSeconds": 10}}),
        ("UpdateStreamProcessor", {"DataSharingPreferenceForUpdate": {"OptIn": True}}),
        ("UpdateStreamProcessor", {}),
        ("UpdateStreamProcessor", {"ParametersToDelete": ["RegionsOfInterest"]}),
        ("UpdateStreamProcessor", {"RegionsOfInterestForUpdate": REGION}),
        (
            "UpdateStreamProcessor",
            {"SettingsForUpdate": {"ConnectedHomeForUpdate": {"MinConfidence": 50}}},
        ),
        ("DeleteStreamProcessor", {}),
    ],
)
def test_operation_on_a_missing_processor_is_refused(operation: str, more: dict[str, Any]) -> None:
    code, message = refused(operation, Name="nowhere", **more)
    assert (code, "nowhere" in message) == ("ResourceNotFoundException", True)
