"""The scheduled sweep of stream processors: messages, failures and metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest

from facedex import settings
from facedex.runtime import services
from facedex.workflows import live_video
from facedex_functions.sweep.handler import lambda_handler as sweep
from facedex_local.http.gateway import Context
from tests.integration.stream_requests import (
    DOOR,
    claim,
    endpoint,
    expire_lease,
    good,
    key,
    messages,
    refused,
    status,
)

__all__ = ["endpoint", "messages"]


def test_collection_deleted_during_a_run_fails_it_with_the_reason() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    claim()
    good("DeleteCollection", CollectionId="staff")
    live_video.sweep(services.database(), settings.settings())
    described = good("DescribeStreamProcessor", Name="door")
    assert described["Status"] == "FAILED"
    assert described["StatusMessage"] == "The collection staff was deleted."
    assert refused("StopStreamProcessor", Name="door")[0] == "ResourceInUseException"
    good("DeleteStreamProcessor", Name="door")


def test_scheduled_sweep_sends_a_message_after_a_worker_died(messages: Any) -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    assert messages()
    claim()
    context = Context("sweep", 300, 256, "request")
    sweep({}, context)
    assert messages() == []
    expire_lease()
    sweep({}, context)
    assert messages() == [{"StreamProcessor": key()}]
    assert status() == "RUNNING"
    assert claim().failures == 1


def test_scheduled_sweep_records_active_and_failed_processors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def told() -> dict[str, float]:
        capsys.readouterr()
        sweep({}, Context("facedex-test-sweep", 300, 256, "request"))
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {each["FunctionName"] for each in documents} == {"facedex-test-sweep"}
        return {
            metric["Name"]: each[metric["Name"]][0]
            for each in documents
            for group in each["_aws"]["CloudWatchMetrics"]
            for metric in group["Metrics"]
            if (group["Namespace"], group["Dimensions"]) == ("Facedex", [["FunctionName"]])
        }

    assert told() == {"StreamProcessorsActive": 0, "StreamProcessorsFailed": 0}
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    assert told() == {"StreamProcessorsActive": 1, "StreamProcessorsFailed": 0}
    good("DeleteCollection", CollectionId="staff")
    assert told() == {"StreamProcessorsActive": 0, "StreamProcessorsFailed": 1}


def test_message_that_the_queue_refused_is_sent_later(
    messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good("CreateStreamProcessor", **DOOR)
    right = settings.settings()
    with monkeypatch.context() as broken:
        broken.setenv("FACEDEX_STREAM_QUEUE", f"{right.stream_queue}-nowhere")
        settings.settings.cache_clear()
        good("StartStreamProcessor", Name="door")
    settings.settings.cache_clear()
    assert status() == "STARTING"
    live_video.sweep(services.database(), right)
    assert messages() == []
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET send_after = send_after - '11 s'::interval"
        )
    live_video.sweep(services.database(), right)
    assert messages() == [{"StreamProcessor": key()}]
