"""The stack with the bulk state machine in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.infra.conftest import KEY
from tests.infra.synthesis import Synthesis, listed, statements, synthesise

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"

_BUCKETS = ("my-albums", "my-scans")


def _machine(found: Synthesis) -> dict[str, Any]:
    (machine,) = found.resources("AWS::StepFunctions::StateMachine").values()
    return machine


def _definition(found: Synthesis) -> Any:
    parts = _machine(found)["DefinitionString"]["Fn::Join"][1]
    return json.loads(
        "".join(part if isinstance(part, str) else part["Fn::GetAtt"][0] for part in parts)
    )


def _statements(found: Synthesis) -> dict[str, dict[str, Any]]:
    """Return the statements of the state machine's role, by each of their actions."""
    role = _machine(found)["RoleArn"]["Fn::GetAtt"][0]
    return {
        action: statement
        for policy in found.resources("AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }


def _s3(*places: str) -> list[dict[str, Any]]:
    return [
        {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, f":s3:::{place}"]]}
        for place in places
    ]


def test_each_photo_is_a_workflow_of_its_own_within_the_limits_of_the_input(
    synthesis_of: Any,
) -> None:
    written = _definition(synthesis_of("full"))
    check, photos = written["States"]["Check"], written["States"]["Index"]
    assert check["Parameters"]["Payload"] == {
        "Action": "check",
        "Input.$": "$",
        "Buckets": list(_BUCKETS),
        "MaxConcurrency": 7,
    }
    assert photos["MaxConcurrencyPath"] == "$.MaxConcurrency"
    assert photos["ToleratedFailurePercentagePath"] == "$.ToleratedFailurePercentage"
    assert photos["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "EXPRESS",
    }
    # A state that catches the error of the map could not be redriven.
    assert "Catch" not in photos


def test_repetitions_of_a_photo_end_before_its_workflow(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    states = _definition(found)["States"]["Index"]["ItemProcessor"]["States"]
    temporary, permanent, crash = states["IndexPhoto"]["Retry"]
    assert {"InternalServerError", "ThrottlingException"} <= set(temporary["ErrorEquals"])
    assert permanent["MaxAttempts"] == 0
    attempts = temporary["MaxAttempts"]
    pauses = temporary["IntervalSeconds"] * (temporary["BackoffRate"] ** attempts - 1)
    variables = found.function("index_bulk")["Environment"]["Variables"]
    waits = (attempts + 1) * int(variables["FACEDEX_DATABASE_PATIENCE"])
    assert pauses + waits < 300  # seconds, the longest that an Express workflow lasts
    assert (crash["MaxAttempts"] + 1) * found.function("index_bulk")["Timeout"] < 300


def test_the_state_machine_lists_and_writes_the_buckets_of_the_settings_alone(
    synthesis_of: Any,
) -> None:
    allowed = _statements(synthesis_of("full"))
    assert allowed["s3:ListBucket"]["Resource"] == _s3(*_BUCKETS)
    (reports,) = _s3("my-reports/facedex/*")
    for action in ("s3:PutObject", "s3:GetObject"):
        assert allowed[action]["Resource"] == reports
        assert allowed[action]["Condition"] == {
            "StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}
        }
    functions = synthesis_of("full").resources("AWS::Lambda::Function")
    called = allowed["lambda:InvokeFunction"]["Resource"]
    assert [functions[each["Fn::GetAtt"][0]]["FunctionName"] for each in called] == [
        "facedex-full-index_bulk",
        "facedex-full-report_bulk",
    ]


def test_functions_read_photos_and_write_reports_and_nothing_else(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    for function, expected in (
        (
            "index_bulk",
            {
                "s3:GetObject": _s3(*(f"{name}/*" for name in _BUCKETS)),
                "s3:ListBucket": _s3(*_BUCKETS),
            },
        ),
        (
            "report_bulk",
            {
                "s3:AbortMultipartUpload": _s3("my-reports/facedex/*"),
                "s3:GetObject": _s3("my-reports/facedex/*"),
                "s3:ListBucket": _s3("my-reports"),
                "s3:ListMultipartUploadParts": _s3("my-reports/facedex/*"),
                "s3:PutObject": _s3("my-reports/facedex/*"),
            },
        ),
    ):
        allowed = {
            action: listed(statement["Resource"])
            for statement in found.statements_of(function)
            for action in listed(statement["Action"])
            if action.startswith("s3:")
        }
        assert allowed == expected
    assert "VpcConfig" not in found.function("report_bulk")
    gateway = json.dumps(found.resources("AWS::EC2::VPCEndpoint"))
    assert all(f":s3:::{name}/*" in gateway for name in _BUCKETS)
    assert "my-reports" not in gateway


def test_the_log_has_errors_without_names_and_the_deployments_key(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    logged = _machine(found)["LoggingConfiguration"]
    assert (logged["Level"], logged["IncludeExecutionData"]) == ("ERROR", False)
    group = logged["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    properties = found.resources("AWS::Logs::LogGroup")[group]
    assert properties["LogGroupName"] == "/aws/vendedlogs/states/facedex-full-bulk"
    assert "KmsKeyId" in properties


def test_executions_and_reports_are_encrypted_under_the_deployments_key(
    synthesis_of: Any,
) -> None:
    found = synthesis_of("full")
    assert _machine(found)["EncryptionConfiguration"] == {
        "KmsKeyId": KEY,
        "Type": "CUSTOMER_MANAGED_KMS_KEY",
    }
    role = _machine(found)["RoleArn"]["Fn::GetAtt"][0]
    allowed = {
        context: json.dumps(values)
        for name, statement in statements(found.template)
        if name.startswith(role.removesuffix(role[-8:]))
        and "kms:GenerateDataKey" in listed(statement["Action"])
        for context, values in statement["Condition"]["StringEquals"].items()
    }
    assert allowed.keys() == {
        "kms:ViaService",
        "kms:EncryptionContext:aws:states:stateMachineArn",
        "kms:EncryptionContext:SourceArn",
    }
    assert '"s3."' in allowed["kms:ViaService"]
    machines = allowed["kms:EncryptionContext:aws:states:stateMachineArn"]
    assert ':stateMachine:facedex-full-bulk"' in machines
    assert ':stateMachine:facedex-full-bulk/Photos"' in machines
    written = _definition(found)["States"]["Index"]
    assert written["Label"] == "Photos"


def test_the_stacks_own_key_admits_the_delivery_of_the_log(cdk: None, tmp_path: Path) -> None:
    settings = {"bulk": True, "bulk_buckets": "a-bucket", "bulk_reports": "reports"}
    found = synthesise({**settings, "kms_key": "create"}, tmp_path / "keyed")
    assert found.findings == []
    ((_, key),) = found.resources("AWS::KMS::Key").items()
    (statement,) = [
        each
        for each in key["KeyPolicy"]["Statement"]
        if each["Principal"].get("Service") == "delivery.logs.amazonaws.com"
    ]
    assert statement["Action"] == "kms:Decrypt"
    (context,) = statement["Condition"]["StringEquals"]
    assert context == "kms:EncryptionContext:SourceArn"
    (page,) = re.findall(r"With `bulk` also.*?```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (shown,) = json.loads(page)
    assert shown["Action"] == statement["Action"]
    assert shown["Principal"] == statement["Principal"]
    assert shown["Condition"]["StringEquals"].keys() == {context}


def test_executions_that_do_not_succeed_are_reported_and_raise_an_alarm(
    synthesis_of: Any,
) -> None:
    found = synthesis_of("full")
    (rule,) = [
        each for each in found.resources("AWS::Events::Rule").values() if "EventPattern" in each
    ]
    assert rule["EventPattern"]["detail"]["status"] == ["ABORTED", "FAILED", "TIMED_OUT"]
    (target,) = rule["Targets"]
    function = found.resources("AWS::Lambda::Function")[target["Arn"]["Fn::GetAtt"][0]]
    assert function["FunctionName"] == "facedex-full-report_bulk"
    (alarm,) = [
        each
        for each in found.resources("AWS::CloudWatch::Alarm").values()
        if each.get("Namespace") == "AWS/States"
    ]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ExecutionsFailed", 1)
    assert "Bulk executions" in json.dumps(found.resources("AWS::CloudWatch::Dashboard"))


def test_executions_are_traced_as_the_setting_says(cdk: None, tmp_path: Path) -> None:
    for tracing in (True, False):
        settings = {"bulk": True, "bulk_buckets": "my-albums", "bulk_reports": "my-reports"}
        found = synthesise({**settings, "tracing": tracing}, tmp_path / str(tracing))
        assert _machine(found)["TracingConfiguration"] == {"Enabled": tracing}
        assert ("xray:PutTraceSegments" in _statements(found)) is tracing


def test_nothing_of_it_is_there_without_the_setting(default: Synthesis) -> None:
    assert not default.resources("AWS::StepFunctions::StateMachine")
    assert "bulk" not in json.dumps(default.template).lower()
