"""The stack with stream processors in it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from facedex.settings import Settings
from tests.infra.synthesis import listed


def test_a_stream_processor_reads_and_writes_the_streams_of_the_settings_alone(
    synthesis_of: Any,
) -> None:
    for name in ("keys", "full"):
        found = synthesis_of(name)
        allowed = {
            action: statement["Resource"]
            for statement in found.statements_of("run_stream_processor")
            for action in listed(statement["Action"])
            if action.startswith("kinesis")
        }
        videos = [
            f"arn:aws:kinesisvideo:eu-central-1:111122223333:stream/{stream}"
            for stream in ("door/1767268800000", "yard/1767268800001")
        ]
        assert allowed == {
            "kinesisvideo:GetDataEndpoint": videos,
            "kinesisvideo:GetMedia": videos,
            "kinesis:PutRecords": "arn:aws:kinesis:eu-central-1:111122223333:stream/seen",
        }
        others = found.function_names - {"run_stream_processor"}
        assert not [each for each in others if "kinesis" in " ".join(found.allowed(each))]


def test_records_are_sent_to_the_interface_endpoint(
    synthesis_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = synthesis_of("full").function("run_stream_processor")["Environment"]["Variables"]
    (_, parts) = variables["AWS_ENDPOINT_URL_KINESIS"]["Fn::Join"]
    known = {"AWS::Region": "eu-central-1", "AWS::URLSuffix": "amazonaws.com"}
    url = "".join(part if isinstance(part, str) else known[part["Ref"]] for part in parts)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", url)
    sent: list[str] = []

    def answer(request: Any, **_: Any) -> Any:
        sent.append(request.url)
        return AWSResponse(request.url, 200, HTTPHeaders(), None)

    kinesis = boto3.Session("testing", "testing", region_name="eu-central-1").client("kinesis")
    kinesis.meta.events.register("before-send", answer)
    arn = "arn:aws:kinesis:eu-central-1:111122223333:stream/seen"
    with suppress(AttributeError):  # there is no body to read
        kinesis.put_records(StreamARN=arn, Records=[{"Data": b"{}", "PartitionKey": "door"}])
    assert sent == ["https://kinesis.eu-central-1.amazonaws.com/"]


def test_the_stream_queue_gives_each_worker_one_message_and_has_four_senders(
    synthesis_of: Any,
) -> None:
    found = synthesis_of("full")
    variables = found.function("start_stream_processor")["Environment"]["Variables"]
    queue_id = variables["FACEDEX_STREAM_QUEUE"]["Ref"]
    (source,) = [
        each
        for each in found.resources("AWS::Lambda::EventSourceMapping").values()
        if each["EventSourceArn"]["Fn::GetAtt"][0] == queue_id
    ]
    assert source["BatchSize"] == 1
    assert source["ScalingConfig"] == {"MaximumConcurrency": 4}
    queue = found.resources("AWS::SQS::Queue")[queue_id]
    # Lambda requires at least the function's timeout; more would only delay dead messages.
    timeout = found.function("run_stream_processor")["Timeout"]
    assert timeout < queue["VisibilityTimeout"] <= timeout + 120
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    # Functions that start, hand over or revive a run send a message.
    sending = {"start_stream_processor", "run_stream_processor", "sweep", "front_door"}
    assert sending == {
        name
        for name in found.function_names
        if {"Fn::GetAtt": [queue_id, "Arn"]}
        in [
            each["Resource"]
            for each in found.statements_of(name)
            if "sqs:SendMessage" in listed(each["Action"])
        ]
    }


def test_a_streams_worker_hands_over_before_lambda_ends_it(synthesis_of: Any) -> None:
    function = synthesis_of("full").function("run_stream_processor")
    variables = function["Environment"]["Variables"]
    settings = Settings.from_environment({name: str(variables[name]) for name in variables})
    # Time for the current fragment to end and for the last records to be written.
    assert settings.stream_seconds + 30 < function["Timeout"]


def test_the_sweep_runs_each_minute_with_streams(synthesis_of: Any) -> None:
    def rate(name: str) -> str:
        rules = synthesis_of(name).resources("AWS::Events::Rule").values()
        (found,) = [each["ScheduleExpression"] for each in rules if "ScheduleExpression" in each]
        return str(found)

    assert rate("default") == "rate(1 hour)"
    assert rate("full") == rate("keys") == "rate(1 minute)"


def test_waiting_and_failed_streams_raise_alarms(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    (queue,) = {
        json.dumps(found.function(name)["Environment"]["Variables"]["FACEDEX_STREAM_QUEUE"])
        for name in ("sweep", "front_door")
    }
    name = {"Fn::GetAtt": [json.loads(queue)["Ref"], "QueueName"]}
    alarms = {
        (alarm["MetricName"], alarm["Statistic"]): alarm["Threshold"]
        for alarm in found.resources("AWS::CloudWatch::Alarm").values()
        if {"Name": "QueueName", "Value": name} in alarm.get("Dimensions", ())
    }
    # A message in progress, or of a dead worker, is at most 16 minutes old.
    assert alarms == {
        ("ApproximateNumberOfMessagesVisible", "Minimum"): 1,
        ("ApproximateAgeOfOldestMessage", "Maximum"): 1260,
    }
    (failed,) = [
        alarm
        for alarm in found.resources("AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "StreamProcessorsFailed"
    ]
    (dimension,) = failed["Dimensions"]
    assert dimension["Name"] == "FunctionName"
    sweep = found.resources("AWS::Lambda::Function")[dimension["Value"]["Ref"]]
    assert sweep["FunctionName"] == "facedex-full-sweep"
    (board,) = found.resources("AWS::CloudWatch::Dashboard").values()
    titles = re.findall(r'\\"title\\":\\"([^"\\]+)', json.dumps(board["DashboardBody"]))
    shown = {"Streams", "Streams: oldest message, seconds", "Stream processors"}
    assert shown <= set(titles)
    assert not shown & set(json.dumps(synthesis_of("default").template).split('"'))
    (errors,) = [
        alarm
        for alarm in found.resources("AWS::CloudWatch::Alarm").values()
        if "exception" in alarm["AlarmDescription"]
    ]
    watched = found.resources("AWS::Lambda::Function")
    assert "facedex-full-run_stream_processor" in {
        watched[each["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"]]["FunctionName"]
        for each in errors["Metrics"]
        if "MetricStat" in each
    }
