"""Resources that outlive the stack, and those that are deleted with it."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.synthesis import Synthesis, whole


def test_a_replaced_database_is_never_lost_with_its_data(synthesis: Synthesis) -> None:
    clusters = whole(synthesis, "AWS::RDS::DBCluster")
    # A stack on the user's own database has none.
    assert len(clusters) == (0 if synthesis.path.name.startswith("facedex-existing.") else 1)
    for cluster in clusters:
        assert cluster["UpdateReplacePolicy"] in ("Snapshot", "Retain")


def test_the_retention_setting_decides_what_outlives_the_stack(synthesis_of: Any) -> None:
    for name, policy in {"default": "Delete", "private": "Snapshot", "keys": "Retain"}.items():
        (cluster,) = whole(synthesis_of(name), "AWS::RDS::DBCluster")
        assert cluster["DeletionPolicy"] == policy
        assert cluster["Properties"].get("DeletionProtection", False) is (policy == "Retain")
    assert whole(synthesis_of("default"), "Custom::S3AutoDeleteObjects")
    assert not whole(synthesis_of("keys"), "Custom::S3AutoDeleteObjects")
    (bucket,) = whole(synthesis_of("keys"), "AWS::S3::Bucket")
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"


def test_by_default_only_a_role_outlives_the_stack(default: Synthesis) -> None:
    kept = {
        each["Type"]
        for each in default.template["Resources"].values()
        if each.get("DeletionPolicy", "Delete") != "Delete"
    }
    # The account's role for API Gateway's logs, which costs nothing.
    assert kept == {"AWS::IAM::Role", "AWS::ApiGateway::Account"}


def test_each_synthesis_lists_what_a_removal_deletes(synthesis: Synthesis) -> None:
    stack = synthesis.path.name.removesuffix(".template.json")
    metadata = json.loads(synthesis.path.with_name(f"{stack}.metadata.json").read_text())
    said = [
        each["data"] for each in metadata.get(f"/{stack}", []) if each["type"] == "aws:cdk:info"
    ]
    deleted = {
        each["Type"]
        for each in synthesis.template["Resources"].values()
        if each.get("DeletionPolicy", "Delete") == "Delete"
    }
    assert [
        "database" in " ".join(said),
        "uploads bucket" in " ".join(said),
        "secret" in " ".join(said),
    ] == [
        kind in deleted
        for kind in ("AWS::RDS::DBCluster", "AWS::S3::Bucket", "AWS::SecretsManager::Secret")
    ]
    assert len(said) <= 1


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
        for each in whole(synthesis_of("keys"), kind):
            assert each["DeletionPolicy"] == "Retain", kind
