"""The VPC, its endpoints, and the connections that they admit."""

from __future__ import annotations

import json
import re
from typing import Any

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Need
from tests.infra.synthesis import Synthesis, listed


def test_only_functions_that_use_the_database_are_in_its_vpc(synthesis: Synthesis) -> None:
    variables = synthesis.function("front_door")["Environment"]["Variables"]
    by_keys = variables["FACEDEX_AUTH"] == "keys"
    by_token = variables["FACEDEX_DATABASE_AUTH"] == "iam"
    rows = {row.function: row for row in OPERATIONS.values()} | dict(OTHER_FUNCTIONS)
    for name in synthesis.function_names:
        needed = Need.DATABASE in rows[name].needs or (by_keys and name in _ROUTED)
        assert ("VpcConfig" in synthesis.function(name)) is needed, name
        assert ("rds-db:connect" in synthesis.allowed(name)) is (needed and by_token), name


_ROUTED = {row.function for row in OPERATIONS.values()} | {"front_door"}


def test_detect_faces_and_compare_faces_run_outside_the_vpc(default: Synthesis) -> None:
    outside = {name for name in default.function_names if "VpcConfig" not in default.function(name)}
    assert outside == {"detect_faces", "compare_faces"}


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


def test_a_private_api_is_called_through_the_given_endpoints_alone(synthesis_of: Any) -> None:
    (api,) = synthesis_of("private").resources("AWS::ApiGateway::RestApi").values()
    assert api["EndpointConfiguration"]["Types"] == ["PRIVATE"]
    refused = [each for each in api["Policy"]["Statement"] if each["Effect"] == "Deny"]
    assert refused[0]["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-0a1b2c3d"]}}
