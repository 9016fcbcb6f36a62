"""Settings that a security review may ask for, and their defaults."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.infra.conftest import KEY, PROFILE
from tests.infra.synthesis import Properties, Synthesis, listed

# Where each resource names its key.
_KEYED: Final = {
    "AWS::Lambda::Function": "KmsKeyArn",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::RDS::DBCluster": "KmsKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
}


def _named_keys(found: Synthesis) -> list[Any]:
    """Return the keys of everything that stores something; None where a resource names none."""
    keys = [
        each.get(place)
        for kind, place in _KEYED.items()
        for name, each in found.resources(kind).items()
        # The construct library's own functions store nothing of the product.
        if kind != "AWS::Lambda::Function" or name in found.functions
    ]
    (cluster,) = found.resources("AWS::RDS::DBCluster").values()
    keys.append(cluster.get("MasterUserSecret", {}).get("KmsKeyId"))
    for bucket in found.resources("AWS::S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        keys.append(rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID"))
    return keys


def _data_key(found: Synthesis) -> Any:
    (name,) = [name for name in found.resources("AWS::KMS::Key") if name.startswith("DataKey")]
    return {"Fn::GetAtt": [name, "Arn"]}


def test_one_key_of_the_stack_encrypts_everything_that_is_stored(synthesis_of: Any) -> None:
    found = synthesis_of("hardened")
    keys = _named_keys(found)
    assert len(keys) > len(found.functions) * 2
    assert all(each == _data_key(found) for each in keys)
    assert len(found.resources("AWS::KMS::Key")) == 1


def test_a_key_of_the_user_encrypts_everything_that_is_stored(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    assert set(_named_keys(found)) == {KEY}
    assert not found.resources("AWS::KMS::Key")


def test_without_the_setting_aws_keys_encrypt_everything(default: Synthesis) -> None:
    assert set(_named_keys(default)) == {None}
    assert not default.resources("AWS::KMS::Key")


def test_functions_use_the_key_through_the_services_that_they_call(synthesis_of: Any) -> None:
    for name, key in (("hardened", _data_key(synthesis_of("hardened"))), ("full", KEY)):
        found = synthesis_of(name)
        for function in found.function_names:
            (statement,) = [
                each
                for each in found.statements_of(function)
                if any(action.startswith("kms:") for action in listed(each["Action"]))
            ]
            assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
            assert statement["Resource"] == key
            allowed = found.allowed(function)
            needed = {"lambda"}
            if {"sqs:SendMessage", "sqs:ReceiveMessage"} & allowed:
                needed.add("sqs")
            if "s3:GetObject" in allowed:
                needed.add("s3")
            if "secretsmanager:GetSecretValue" in allowed:
                needed.add("secretsmanager")
            assert statement["Condition"] == {
                "StringEquals": {"kms:ViaService": _hosts(sorted(needed))}
            }, function
    for function in synthesis_of("default").function_names:
        allowed = synthesis_of("default").allowed(function)
        assert not [action for action in allowed if action.startswith("kms:")]


def test_the_preparation_reads_the_masters_password_under_the_key(synthesis_of: Any) -> None:
    found = synthesis_of("hardened")
    (policy,) = [
        each["PolicyDocument"]["Statement"]
        for name, each in found.resources("AWS::IAM::Policy").items()
        if "PreparationCustomResourcePolicy" in name
    ]
    (statement,) = [each for each in policy if "kms:Decrypt" in listed(each["Action"])]
    assert statement["Resource"] == _data_key(found)
    assert statement["Condition"]["StringEquals"]["kms:ViaService"] == _hosts(["secretsmanager"])


def _hosts(services: list[str]) -> Any:
    region, suffix = {"Ref": "AWS::Region"}, {"Ref": "AWS::URLSuffix"}
    return [{"Fn::Join": ["", [f"{name}.", region, ".", suffix]]} for name in services]


def test_the_keys_policy_admits_three_services_of_aws_for_this_account(synthesis_of: Any) -> None:
    found = synthesis_of("hardened")
    ((_, key),) = found.resources("AWS::KMS::Key").items()
    assert key["EnableKeyRotation"] is True
    own, *services = key["KeyPolicy"]["Statement"]
    assert ":root" in json.dumps(own["Principal"]["AWS"])
    admitted = {
        json.dumps(each["Principal"]["Service"]): json.dumps(each["Condition"]) for each in services
    }
    assert len(admitted) == 3
    for service, condition in admitted.items():
        assert any(name in service for name in ("s3.", "cloudwatch.", "logs."))
        assert "AWS::AccountId" in condition
    assert {each["Effect"] for each in services} == {"Allow"}


@pytest.mark.parametrize(("name", "policy"), [("hardened", "RetainExceptOnCreate")])
def test_a_key_outlives_the_stack_with_what_it_encrypts(
    name: str, policy: str, synthesis_of: Any
) -> None:
    found = synthesis_of(name)
    (key,) = [
        each for each in found.template["Resources"].values() if each["Type"] == "AWS::KMS::Key"
    ]
    assert key["DeletionPolicy"] == policy


def test_network_traffic_is_logged_by_the_setting_alone(synthesis_of: Any) -> None:
    for name, kind in {"hardened": "ALL", "full": "REJECT"}.items():
        found = synthesis_of(name)
        (flow,) = found.resources("AWS::EC2::FlowLog").values()
        assert flow["TrafficType"] == kind
        assert flow["ResourceType"] == "VPC"
        group = found.resources("AWS::Logs::LogGroup")[flow["LogGroupName"]["Ref"]]
        assert group["LogGroupName"].endswith("/network")
    assert not synthesis_of("default").resources("AWS::EC2::FlowLog")


def test_the_databases_log_is_exported_by_the_setting_alone(synthesis_of: Any) -> None:
    (cluster,) = synthesis_of("hardened").resources("AWS::RDS::DBCluster").values()
    assert cluster["EnableCloudwatchLogsExports"] == ["postgresql"]
    (cluster,) = synthesis_of("default").resources("AWS::RDS::DBCluster").values()
    assert "EnableCloudwatchLogsExports" not in cluster


def test_the_databases_log_group_expires_and_is_encrypted(synthesis_of: Any) -> None:
    found = synthesis_of("hardened")
    calls: dict[str, Properties] = {
        name: each
        for name, each in found.template["Resources"].items()
        if each["Type"] == "Custom::AWS" and "logGroupName" in json.dumps(each["Properties"])
    }
    created = {
        call["action"]: call["parameters"]
        for each in calls.values()
        for call in [_call(each["Properties"]["Create"])]
    }
    assert created.keys() == {"createLogGroup", "putRetentionPolicy", "associateKmsKey"}
    assert created["putRetentionPolicy"]["retentionInDays"] == 30
    groups = {each["logGroupName"] for each in created.values()}
    assert len(groups) == 1
    (group,) = groups
    assert group.startswith("/aws/rds/cluster/")
    assert group.endswith("/postgresql")
    deleted = [
        _call(each["Properties"]["Delete"])["action"]
        for each in calls.values()
        if "Delete" in each["Properties"]
    ]
    assert deleted == ["deleteLogGroup"]


def _call(value: Any) -> Properties:
    """Return a call of the SDK, with the names of resources in place of references to them."""
    parts = value["Fn::Join"][1] if isinstance(value, dict) else [value]
    text = "".join(
        part if isinstance(part, str) else str(part.get("Ref") or part["Fn::GetAtt"][0])
        for part in parts
    )
    call: Properties = json.loads(text)
    return call


def test_lambda_refuses_what_the_profiles_did_not_sign(synthesis_of: Any) -> None:
    found = synthesis_of("hardened")
    ((name, rule),) = found.resources("AWS::Lambda::CodeSigningConfig").items()
    assert rule["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE]}
    assert rule["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    configured = {json.dumps(each["CodeSigningConfigArn"]) for each in found.functions.values()}
    assert configured == {json.dumps({"Fn::GetAtt": [name, "CodeSigningConfigArn"]})}
    assert not synthesis_of("default").resources("AWS::Lambda::CodeSigningConfig")


def test_a_deleted_photo_is_gone_unless_the_setting_keeps_versions(synthesis_of: Any) -> None:
    (bucket,) = synthesis_of("default").resources("AWS::S3::Bucket").values()
    assert "VersioningConfiguration" not in bucket
    assert not [
        action
        for function in synthesis_of("default").function_names
        for action in synthesis_of("default").allowed(function)
        if action.endswith("VersionTagging")
    ]


@pytest.mark.parametrize(("name", "days"), [("hardened", 7), ("full", 30)])
def test_versions_of_photos_are_removed_after_their_days(
    name: str, days: int, synthesis_of: Any
) -> None:
    found = synthesis_of(name)
    (bucket,) = found.resources("AWS::S3::Bucket").values()
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    kept = [each for rule in rules if (each := rule.get("NoncurrentVersionExpiration"))]
    assert kept == [{"NoncurrentDays": days}]
    # S3 removes the markers of deleted objects too, after an expiration or by a rule of its own.
    assert [
        rule for rule in rules if "ExpirationInDays" in rule or "ExpiredObjectDeleteMarker" in rule
    ]
    assert {
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:PutObjectVersionTagging",
    } <= found.allowed("index_upload")
