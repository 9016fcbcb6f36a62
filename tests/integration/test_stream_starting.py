"""Starting and stopping stream processors through the front door; the test acts as the worker."""

from __future__ import annotations

from typing import Any

import pytest

from facedex import settings
from facedex.runtime import services
from facedex.store import stream_processors, stream_runs
from facedex.store.store_errors import CollectionNotFound
from facedex_functions.run_stream_processor import handler as run_stream_processor
from tests.integration.stream_requests import (
    DOOR,
    answer,
    claim,
    endpoint,
    good,
    key,
    messages,
    refused,
    rows,
    status,
)

__all__ = ["endpoint", "messages"]


def test_processor_passes_through_its_states_from_start_to_stop(messages: Any) -> None:
    good("CreateStreamProcessor", **DOOR)
    made = good("DescribeStreamProcessor", Name="door")["LastUpdateTimestamp"]
    session = good("StartStreamProcessor", Name="door")["SessionId"]
    started = good("DescribeStreamProcessor", Name="door")
    assert (started["Status"], started["LastUpdateTimestamp"] > made) == ("STARTING", True)
    assert messages() == [{"StreamProcessor": key()}]
    lease = claim()
    assert (str(lease.run), status()) == (session, "RUNNING")
    for operation in ("StartStreamProcessor", "DeleteStreamProcessor"):
        before = rows()
        code, message = refused(operation, Name="door")
        assert (code, "RUNNING" in message) == ("ResourceInUseException", True)
        assert rows() == before
    assert good("StopStreamProcessor", Name="door") == {}
    assert status() == "STOPPING"
    assert good("StopStreamProcessor", Name="door") == {}
    assert refused("StartStreamProcessor", Name="door")[0] == "ResourceInUseException"
    with services.database().transaction() as connection:
        assert stream_runs.extend_lease(connection, lease, 60) == "STOPPING"
        stream_runs.release_lease(connection, lease)
    assert status() == "STOPPED"
    code, message = refused("StopStreamProcessor", Name="door")
    assert (code, "nothing to stop" in message) == ("ResourceInUseException", True)
    assert messages() == []
    assert good("StartStreamProcessor", Name="door")["SessionId"] != session
    assert good("StopStreamProcessor", Name="door") == {}
    assert status() == "STOPPED"
    assert good("DeleteStreamProcessor", Name="door") == {}
    assert refused("DescribeStreamProcessor", Name="door")[0] == "ResourceNotFoundException"


def test_processor_that_waits_for_a_worker_can_be_deleted() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    assert good("DeleteStreamProcessor", Name="door") == {}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("StartSelector", {"KVSStreamStartSelector": {"ProducerTimestamp": 1}}),
        ("StartSelector", {"KVSStreamStartSelector": {"FragmentNumber": "1"}}),
        ("StopSelector", {"MaxDurationInSeconds": 10}),
    ],
)
def test_selectors_for_label_detection_are_refused(messages: Any, member: str, value: Any) -> None:
    good("CreateStreamProcessor", **DOOR)
    before = rows()
    code, message = refused("StartStreamProcessor", Name="door", **{member: value})
    assert code == "InvalidParameterException"
    assert f"{member} must be omitted: the stream processors of this service" in message
    assert rows() == before
    assert messages() == []


def test_processor_cannot_be_started_without_its_collection() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("DeleteCollection", CollectionId="staff")
    before = rows()
    code, message = refused("StartStreamProcessor", Name="door")
    assert (code, "staff" in message) == ("ResourceNotFoundException", True)
    assert rows() == before
    good("CreateCollection", CollectionId="staff")
    good("StartStreamProcessor", Name="door")


def test_worker_does_not_use_another_collection_of_the_same_name() -> None:
    good("CreateStreamProcessor", **DOOR)
    with services.database().reading() as connection:
        definition = stream_processors.find(connection, "door").definition
    good("DeleteCollection", CollectionId="staff")
    with pytest.raises(CollectionNotFound, match="The collection staff was deleted"):
        run_stream_processor._find_pack(definition)
    good("CreateCollection", CollectionId="staff")
    with pytest.raises(CollectionNotFound, match="The collection staff was deleted"):
        run_stream_processor._find_pack(definition)


def test_service_without_a_queue_starts_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    good("CreateStreamProcessor", **DOOR)
    monkeypatch.delenv("FACEDEX_STREAM_QUEUE")
    settings.settings.cache_clear()
    status, document = answer("StartStreamProcessor", Name="door")
    assert (status, document["__type"]) == (500, "InternalServerError")
    assert "FACEDEX_STREAM_QUEUE" in document["Message"]
