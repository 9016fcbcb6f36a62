"""Permissions of functions, and policies of resources."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra.synthesis import Synthesis, listed, statements

# Actions for which AWS knows no resource: https://docs.aws.amazon.com/service-authorization/
UNNAMEABLE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


def test_functions_connect_to_the_database_as_one_user_alone(synthesis: Synthesis) -> None:
    for name in synthesis.function_names:
        for statement in synthesis.statements_of(name):
            if "rds-db:connect" in listed(statement["Action"]):
                assert json.dumps(statement["Resource"]).endswith('"/facedex"]]}')
                assert "*" not in json.dumps(statement["Resource"])


def test_no_permission_has_a_wildcard_where_aws_knows_a_resource(synthesis: Synthesis) -> None:
    for resource, statement in statements(synthesis.template):
        if statement["Effect"] == "Deny" or "Principal" in statement:
            continue  # resource policies are checked by the next tests
        actions = set(listed(statement["Action"]))
        assert not [action for action in actions if "*" in action], resource
        if actions <= UNNAMEABLE:
            continue
        for target in listed(statement["Resource"]):
            text = json.dumps(target)
            objects = actions <= {
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectTagging",
                "s3:PutObjectTagging",
                "s3:GetObjectVersionTagging",
                "s3:PutObjectVersionTagging",
                # Of results and reports of bulk executions.
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            }
            if all(action.startswith("logs:") for action in actions):
                text = text.replace(':*"', '"')  # the streams of one group
            if all(action.startswith("states:") for action in actions):
                text = text.replace('-bulk/*"', '-bulk"')  # the workflows of one state machine
            assert "*" not in (text.replace("/*", "") if objects else text), (resource, statement)


def test_resource_policies_admit_no_other_account(synthesis: Synthesis) -> None:
    for resource, statement in statements(synthesis.template):
        anybody = statement.get("Principal") in ("*", {"AWS": "*"})
        if statement["Effect"] == "Allow" and anybody:
            kind = synthesis.template["Resources"][resource]["Type"]
            # An endpoint's policy limits what roles permit; a private API's policy also has a Deny.
            assert kind in ("AWS::EC2::VPCEndpoint", "AWS::ApiGateway::RestApi"), resource


def test_functions_read_no_bucket_but_those_of_the_settings(synthesis_of: Any) -> None:
    reading = [
        json.dumps(statement["Resource"])
        for statement in synthesis_of("full").statements_of("detect_faces")
        if "s3:GetObject" in listed(statement["Action"])
    ]
    assert len(reading) == 2
    assert any("my-photos/*" in text for text in reading)
    assert any("facedex-full-uploads-" in text for text in reading)
    assert "s3:GetObject" not in synthesis_of("private").allowed("detect_faces")
    assert "s3:GetObject" not in synthesis_of("full").allowed("list_faces")


def test_functions_cannot_create_network_interfaces(default: Synthesis) -> None:
    denied = [each for each in default.statements_of("list_faces") if each["Effect"] == "Deny"]
    assert "ec2:CreateNetworkInterface" in denied[0]["Action"]
    assert "lambda:SourceFunctionArn" in denied[0]["Condition"]["ArnEquals"]


def test_each_invoke_permission_names_one_route_or_rule(synthesis: Synthesis) -> None:
    for permission in synthesis.resources("AWS::Lambda::Permission").values():
        assert permission["Principal"] in ("apigateway.amazonaws.com", "events.amazonaws.com")
        assert "SourceArn" in permission
        if permission["Principal"] == "apigateway.amazonaws.com":
            parts = permission["SourceArn"]["Fn::Join"][1]
            # One stage, by reference, and one method of one path, where "*" is a parameter.
            assert parts[-2]["Ref"] in synthesis.resources("AWS::ApiGateway::Stage")
            assert re.match(r"/(GET|POST|DELETE)/", parts[-1])
        else:
            assert set(permission["SourceArn"]) == {"Fn::GetAtt"}


def test_functions_know_the_topics_that_they_may_publish_to(synthesis_of: Any) -> None:
    variables = synthesis_of("full").function("start_face_search")["Environment"]["Variables"]
    assert variables["FACEDEX_TOPICS"] == "arn:aws:sns:eu-central-1:111122223333:done"
    for function in ("search_video_segment", "sweep"):
        publishing = [
            listed(each["Resource"])
            for each in synthesis_of("full").statements_of(function)
            if "sns:Publish" in listed(each["Action"])
        ]
        assert publishing == [[variables["FACEDEX_TOPICS"]]]
    for function in ("start_face_search", "start_face_detection", "front_door"):
        checking = [
            listed(each["Resource"])
            for each in synthesis_of("full").statements_of(function)
            if "sns:GetTopicAttributes" in listed(each["Action"])
        ]
        assert checking == [[variables["FACEDEX_TOPICS"]]]
        assert "sns:Publish" not in synthesis_of("full").allowed(function)


def test_cloudwatch_may_send_alarms_to_the_topic(synthesis_of: Any) -> None:
    (policy,) = synthesis_of("full").resources("AWS::SNS::TopicPolicy").values()
    allowed = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert allowed[0]["Action"] == "sns:Publish"


@pytest.mark.usefixtures("cdk")
@pytest.mark.parametrize(("auth", "everybody"), [("iam", False), ("keys", True)])
def test_a_private_api_admits_every_principal_only_without_iam(auth: str, everybody: bool) -> None:
    from aws_cdk import App, Stack

    from infra.constructs.api import _endpoint_policy
    from infra.settings import StackSettings

    settings = StackSettings.from_context(
        {"auth": auth, "endpoint": "private", "vpc_endpoints": "vpce-0a1b2c3d"}
    )
    allow, deny = Stack(App(), "stack").resolve(_endpoint_policy(settings))["Statement"]
    assert (allow["Principal"] == {"AWS": "*"}) is everybody
    assert (deny["Effect"], deny["Principal"]) == ("Deny", {"AWS": "*"})
