"""Security properties of the stack."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Need, Trigger
from tests.infra.synthesis import Synthesis, listed, statements

# Actions for which AWS knows no resource: https://docs.aws.amazon.com/service-authorization/
UNNAMEABLE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
VIDEO = {row.function for row in OPERATIONS.values() if row.path.startswith("/v1/video/")}
STREAMS = {row.function for row in OPERATIONS.values() if "/stream-processors" in row.path}


def test_every_row_of_the_catalog_is_a_function_on_its_route(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    operators = {
        row.function for row in OTHER_FUNCTIONS.values() if row.trigger is Trigger.OPERATOR
    }
    expected = {row.function for row in OPERATIONS.values()} | set(OTHER_FUNCTIONS)
    assert found.function_names == expected - operators
    routes = {route: called for route, (called, _) in _routes(found).items()}
    assert routes == {
        ("POST", "/"): "front_door",
        **{(row.method, row.path): row.function for row in OPERATIONS.values()},
    }


def test_a_deployment_has_only_the_functions_that_its_settings_ask_for(synthesis_of: Any) -> None:
    everything = {row.function for row in OPERATIONS.values()} | set(OTHER_FUNCTIONS)
    video = VIDEO | {"search_video_segment"}
    streams = STREAMS | {"run_stream_processor"}
    assert len(streams) == 8
    assert synthesis_of("default").function_names == everything - video - streams - {"access_keys"}
    assert synthesis_of("keys").function_names == everything - video
    assert synthesis_of("private").function_names == (
        everything - video - streams - {"access_keys", "index_upload"}
    )


def test_functions_match_the_catalog(synthesis: Synthesis) -> None:
    rows = {row.function: row for row in OPERATIONS.values()} | dict(OTHER_FUNCTIONS)
    for name in synthesis.function_names:
        function, row = synthesis.function(name), rows[name]
        assert (function["MemorySize"], function["Timeout"]) == (row.memory, row.timeout)
        assert function["Handler"] == f"facedex_functions.{name}.handler.lambda_handler"
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert 1 <= len(function["Layers"]) <= 5
        assert function["Environment"]["Variables"]["FACEDEX_MODELS"] == "/opt/models"


def test_only_functions_that_use_the_database_are_in_its_vpc(synthesis: Synthesis) -> None:
    variables = synthesis.function("front_door")["Environment"]["Variables"]
    by_keys = variables["FACEDEX_AUTH"] == "keys"
    rows = {row.function: row for row in OPERATIONS.values()} | dict(OTHER_FUNCTIONS)
    for name in synthesis.function_names:
        needed = Need.DATABASE in rows[name].needs or (by_keys and name in _ROUTED)
        assert ("VpcConfig" in synthesis.function(name)) is needed, name
        assert ("rds-db:connect" in synthesis.allowed(name)) is needed, name


_ROUTED = {row.function for row in OPERATIONS.values()} | {"front_door"}


def test_detect_faces_and_compare_faces_run_outside_the_vpc(default: Synthesis) -> None:
    outside = {name for name in default.function_names if "VpcConfig" not in default.function(name)}
    assert outside == {"detect_faces", "compare_faces"}


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
            }
            if all(action.startswith("logs:") for action in actions):
                text = text.replace(':*"', '"')  # the streams of one group
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


def test_the_network_has_no_way_to_the_internet(synthesis: Synthesis) -> None:
    for kind in ("InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "EIP", "Route"):
        assert not synthesis.resources(f"AWS::EC2::{kind}"), kind
    for subnet in synthesis.resources("AWS::EC2::Subnet").values():
        assert subnet["MapPublicIpOnLaunch"] is False


def test_the_database_takes_connections_from_functions_alone(synthesis: Synthesis) -> None:
    for instance in synthesis.resources("AWS::RDS::DBInstance").values():
        assert instance["PubliclyAccessible"] is False
    groups = synthesis.resources("AWS::EC2::SecurityGroup").values()
    assert not [rule for group in groups for rule in group.get("SecurityGroupIngress", ())]
    for rule in synthesis.resources("AWS::EC2::SecurityGroupIngress").values():
        assert "SourceSecurityGroupId" in rule
        assert "CidrIp" not in rule
        assert _ports(rule) in ({443}, {5432})
    # EC2 rejects a duplicate rule, which no check of a template detects.
    for side in ("Ingress", "Egress"):
        rules = [
            json.dumps([rule["GroupId"], rule.get(_PEER[side]), *_ports(rule)])
            for rule in synthesis.resources(f"AWS::EC2::SecurityGroup{side}").values()
        ]
        assert len(set(rules)) == len(rules)


_PEER = {"Ingress": "SourceSecurityGroupId", "Egress": "DestinationSecurityGroupId"}


def _ports(rule: dict[str, Any]) -> set[int]:
    # The cluster's own port is the engine's.
    ports = (rule["FromPort"], rule["ToPort"])
    return {5432 if isinstance(port, dict) else port for port in ports}


def test_endpoints_that_cost_are_there_only_where_needed(synthesis_of: Any) -> None:
    def services(name: str) -> list[str]:
        endpoints = synthesis_of(name).resources("AWS::EC2::VPCEndpoint").values()
        names = [
            json.dumps(each["ServiceName"])
            for each in endpoints
            if each["VpcEndpointType"] == "Interface"
        ]
        return sorted(re.findall(r"\.([a-z-]+)\"", " ".join(names)))

    assert services("private") == []
    assert services("default") == ["sqs"]
    assert services("keys") == ["kinesis-streams", "kinesisvideo", "secretsmanager", "sqs"]
    assert services("full") == ["kinesis-streams", "kinesisvideo", "sns", "sqs"]


def test_endpoint_policies_are_limited_to_this_account(synthesis: Synthesis) -> None:
    """Otherwise foreign code could export data with foreign credentials."""
    for endpoint in synthesis.resources("AWS::EC2::VPCEndpoint").values():
        for statement in endpoint["PolicyDocument"]["Statement"]:
            ours = {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
            if endpoint["VpcEndpointType"] == "Interface":
                assert statement["Condition"] == ours
            else:
                for resource in listed(statement["Resource"]):
                    # Buckets whose names belong to this account; any object in them.
                    assert "*" not in json.dumps(resource).replace("/*", "")


def test_everything_that_is_stored_is_encrypted(synthesis: Synthesis) -> None:
    (cluster,) = synthesis.resources("AWS::RDS::DBCluster").values()
    assert cluster["StorageEncrypted"] is True
    assert cluster["EnableIAMDatabaseAuthentication"] is True
    assert cluster["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in cluster
    for queue in synthesis.resources("AWS::SQS::Queue").values():
        assert queue.get("SqsManagedSseEnabled") or queue["KmsMasterKeyId"]
    for topic in synthesis.resources("AWS::SNS::Topic").values():
        assert "KmsMasterKeyId" in topic
    for bucket in synthesis.resources("AWS::S3::Bucket").values():
        assert "BucketEncryption" in bucket
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


def test_all_traffic_is_encrypted(synthesis: Synthesis) -> None:
    (parameters,) = synthesis.resources("AWS::RDS::DBClusterParameterGroup").values()
    assert parameters["Parameters"]["rds.force_ssl"] == "1"
    (api,) = synthesis.resources("AWS::ApiGateway::RestApi").values()
    assert api["SecurityPolicy"].startswith("SecurityPolicy_TLS13_1_2_")
    policies = [
        *synthesis.resources("AWS::S3::BucketPolicy").values(),
        *synthesis.resources("AWS::SQS::QueuePolicy").values(),
    ]
    kinds = ("AWS::S3::Bucket", "AWS::SQS::Queue")
    assert len(policies) == sum(len(synthesis.resources(kind)) for kind in kinds)
    for policy in policies:
        refused = [
            each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [each["Condition"] for each in refused]


def test_the_databases_certificate_is_checked_where_it_is_given(synthesis_of: Any) -> None:
    def url(name: str) -> str:
        return json.dumps(synthesis_of(name).function("list_faces")["Environment"])

    assert "sslmode=verify-full&sslrootcert=/opt/database-ca/bundle.pem" in url("keys")
    assert "sslmode=require" in url("default")


def test_routes_and_functions_use_the_same_authentication_mode(synthesis_of: Any) -> None:
    for name, kind in {"default": "AWS_IAM", "keys": "NONE", "private": "NONE"}.items():
        found = synthesis_of(name)
        assert {how for _, how in _routes(found).values()} == {kind}
        (told,) = {
            each["Environment"]["Variables"]["FACEDEX_AUTH"] for each in found.functions.values()
        }
        assert told == {"AWS_IAM": "iam", "NONE": name if name == "keys" else "none"}[kind]


def test_a_private_api_is_called_through_the_given_endpoints_alone(synthesis_of: Any) -> None:
    (api,) = synthesis_of("private").resources("AWS::ApiGateway::RestApi").values()
    assert api["EndpointConfiguration"]["Types"] == ["PRIVATE"]
    refused = [each for each in api["Policy"]["Statement"] if each["Effect"] == "Deny"]
    assert refused[0]["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-0a1b2c3d"]}}


def test_access_logs_hold_no_body_and_no_path_of_a_caller(synthesis: Synthesis) -> None:
    (stage,) = synthesis.resources("AWS::ApiGateway::Stage").values()
    logged = json.loads(stage["AccessLogSetting"]["Format"]).values()
    assert not {"$context.path", "$context.requestOverride.path"} & set(logged)
    assert not [each for each in logged if "input" in each or "body" in each]
    (every,) = stage["MethodSettings"]
    assert every["DataTraceEnabled"] is False
    assert every["LoggingLevel"] == "OFF"
    assert (every["ThrottlingRateLimit"], every["ThrottlingBurstLimit"]) == (100, 200)


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


def test_new_code_waits_for_its_schema(synthesis: Synthesis) -> None:
    (schema,) = synthesis.resources("Custom::FacedexSchema")
    resources = synthesis.template["Resources"]
    for name, function in synthesis.functions.items():
        waits = "VpcConfig" in function and not function["FunctionName"].endswith("-migrate")
        assert (schema in resources[name]["DependsOn"]) is waits, name
    assert resources[schema]["Properties"]["ServiceTimeout"] == "960"


def test_a_replaced_database_is_never_lost_with_its_data(synthesis: Synthesis) -> None:
    (cluster,) = _whole(synthesis, "AWS::RDS::DBCluster")
    assert cluster["UpdateReplacePolicy"] in ("Snapshot", "Retain")


def test_the_retention_setting_decides_what_outlives_the_stack(synthesis_of: Any) -> None:
    for name, policy in {"default": "Delete", "private": "Snapshot", "keys": "Retain"}.items():
        (cluster,) = _whole(synthesis_of(name), "AWS::RDS::DBCluster")
        assert cluster["DeletionPolicy"] == policy
        assert cluster["Properties"].get("DeletionProtection", False) is (policy == "Retain")
    assert _whole(synthesis_of("default"), "Custom::S3AutoDeleteObjects")
    assert not _whole(synthesis_of("keys"), "Custom::S3AutoDeleteObjects")
    (bucket,) = _whole(synthesis_of("keys"), "AWS::S3::Bucket")
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"


def test_by_default_only_a_role_outlives_the_stack(default: Synthesis) -> None:
    kept = {
        each["Type"]
        for each in default.template["Resources"].values()
        if each.get("DeletionPolicy", "Delete") != "Delete"
    }
    # The account's role for API Gateway's logs, which costs nothing.
    assert kept == {"AWS::IAM::Role", "AWS::ApiGateway::Account"}


def test_every_log_ends_with_the_stack_and_forgets(synthesis: Synthesis) -> None:
    groups = _whole(synthesis, "AWS::Logs::LogGroup")
    assert len(groups) >= len(synthesis.functions) + 2
    for group in groups:
        assert group["DeletionPolicy"] == "Delete"
        assert group["Properties"]["RetentionInDays"] == 30
    for name in synthesis.function_names:
        assert "logs:CreateLogGroup" not in synthesis.allowed(name)


def test_the_proxy_logs_where_the_stack_says(synthesis_of: Any) -> None:
    found = synthesis_of("private")
    (proxy,) = found.resources("AWS::RDS::DBProxy")
    name = found.resources("AWS::RDS::DBProxy")[proxy]["DBProxyName"]
    groups = found.resources("AWS::Logs::LogGroup")
    (log,) = [each for each in groups if groups[each]["LogGroupName"] == f"/aws/rds/proxy/{name}"]
    assert log in found.template["Resources"][proxy]["DependsOn"]


def test_uploads_go_through_a_queue_that_poison_cannot_block(default: Synthesis) -> None:
    (bucket,) = default.resources("AWS::S3::Bucket").values()
    events = bucket["NotificationConfiguration"]["QueueConfigurations"]
    assert [each["Event"] for each in events] == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    (source,) = default.resources("AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = default.template["Resources"][source["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
    # One message at a time, so that a crash affects no other; concurrency as in the setting.
    assert source["BatchSize"] == 1
    assert source["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    assert queue["VisibilityTimeout"] == 6 * default.function("index_upload")["Timeout"]
    assert {"sqs:SendMessage", "s3:PutObjectTagging"} <= default.allowed("index_upload")


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


def test_functions_wait_for_a_database_that_wakes_up(synthesis: Synthesis) -> None:
    """Aurora takes about fifteen seconds; API Gateway gives up after 29."""
    operations = {row.function for row in OPERATIONS.values()} | {"front_door"}
    for name in synthesis.function_names:
        function = synthesis.function(name)
        patience = int(function["Environment"]["Variables"]["FACEDEX_DATABASE_PATIENCE"])
        assert 15 < patience < function["Timeout"], name
        assert patience < 29 or name not in operations


def test_a_message_that_waits_for_the_database_returns_to_its_queue(
    default: Synthesis,
) -> None:
    variables = default.function("index_upload")["Environment"]["Variables"]
    (source,) = default.resources("AWS::Lambda::EventSourceMapping").values()
    queue = source["EventSourceArn"]["Fn::GetAtt"][0]
    assert variables["FACEDEX_UPLOADS_QUEUE"] == {"Ref": queue}
    assert variables.get("FACEDEX_LOG_NAMES", "false") == "false"
    sending = [
        each["Resource"]
        for each in default.statements_of("index_upload")
        if "sqs:SendMessage" in listed(each["Action"])
    ]
    assert {"Fn::GetAtt": [queue, "Arn"]} in sending


def test_only_intended_functions_may_send_messages_to_themselves(synthesis_of: Any) -> None:
    """Lambda's loop detection stops a function that sends messages to itself after 16 times."""
    found = synthesis_of("full")
    allowed = {
        name
        for name in found.function_names
        if found.function(name).get("RecursiveLoop", "Terminate") == "Allow"
    }
    assert allowed == {"index_upload", "run_stream_processor"}


def test_retained_resources_do_not_block_a_new_deployment(synthesis_of: Any) -> None:
    found = synthesis_of("keys")
    (bucket,) = found.resources("AWS::S3::Bucket").values()
    assert '"Ref": "AWS::StackId"' in json.dumps(bucket["BucketName"])
    named = {"DBClusterIdentifier", "DBInstanceIdentifier", "DBSubnetGroupName", "GroupName"}
    named |= {"SecretName", "DBClusterParameterGroupName"}
    for kind, properties in (
        (each["Type"], each.get("Properties", {}))
        for each in found.template["Resources"].values()
        if each.get("DeletionPolicy", "Delete") != "Delete"
    ):
        fixed = named & {name for name, value in properties.items() if isinstance(value, str)}
        assert not fixed, kind
        if kind == "AWS::SecretsManager::Secret":
            assert "Name" not in properties


def test_a_retained_database_keeps_its_network_and_key(synthesis_of: Any) -> None:
    """Otherwise CloudFormation could not remove the other resources."""
    kinds = ("DBCluster", "DBInstance", "DBSubnetGroup", "DBClusterParameterGroup")
    for kind in (*(f"AWS::RDS::{each}" for each in kinds), "AWS::EC2::Subnet", "AWS::EC2::VPC"):
        for each in _whole(synthesis_of("keys"), kind):
            assert each["DeletionPolicy"] == "Retain", kind


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


def test_functions_know_that_a_proxy_shares_connections(synthesis_of: Any) -> None:
    for name, shared in (("private", "true"), ("default", "false")):
        variables = synthesis_of(name).function("list_faces")["Environment"]["Variables"]
        assert variables["FACEDEX_DATABASE_POOLED"] == shared


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


def test_keys_are_encrypted_under_a_secret_that_functions_fetch(synthesis_of: Any) -> None:
    found = synthesis_of("keys")
    (secret,) = found.resources("AWS::SecretsManager::Secret")
    for name in ("access_keys", "front_door", "detect_faces"):
        variables = found.function(name)["Environment"]["Variables"]
        assert variables["FACEDEX_KEYS_SECRET"] == {
            "Fn::Join": ["", ["secretsmanager:", {"Ref": secret}]]
        }
        assert "secretsmanager:GetSecretValue" in found.allowed(name)
    assert "secretsmanager:GetSecretValue" not in found.allowed("sweep")
    assert not synthesis_of("default").resources("AWS::SecretsManager::Secret")


def test_outputs_say_how_to_call(default: Synthesis) -> None:
    outputs = default.template["Outputs"]
    assert {"Endpoint", "UploadsBucket", "HowToCall", "CallersMay", "DashboardLink"} <= set(outputs)
    assert "execute-api" in outputs["HowToCall"]["Value"]


def _routes(found: Synthesis) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the name of the function that a route calls, and the route's authorization type."""
    resources = found.template["Resources"]
    aliases = found.resources("AWS::Lambda::Alias")

    def path(reference: Any) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        properties = resources[reference["Ref"]]["Properties"]
        return f"{path(properties['ParentId'])}/{properties['PathPart']}"

    def function(text: str) -> str:
        (called,) = {name for name in (*found.functions, *aliases) if f'"{name}"' in text}
        if called in aliases:
            called = aliases[called]["FunctionName"]["Ref"]
        return str(found.functions[called]["FunctionName"]).rsplit("-", 1)[-1]

    return {
        (method["HttpMethod"], path(method["ResourceId"]) or "/"): (
            function(json.dumps(method["Integration"]["Uri"])),
            method["AuthorizationType"],
        )
        for method in found.resources("AWS::ApiGateway::Method").values()
    }


def _whole(found: Synthesis, kind: str) -> list[dict[str, Any]]:
    return [each for each in found.template["Resources"].values() if each["Type"] == kind]


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
