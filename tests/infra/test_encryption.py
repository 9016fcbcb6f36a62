"""Encryption of stored data, of traffic and of access keys."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.synthesis import Synthesis


def _databases(synthesis: Synthesis, kind: str) -> list[Any]:
    """Return the one resource of a kind, or none where the stack uses a database of the user's."""
    found = list(synthesis.resources(kind).values())
    assert len(found) == (synthesis.path.parent.name != "existing")
    return found


def test_everything_that_is_stored_is_encrypted(synthesis: Synthesis) -> None:
    for cluster in _databases(synthesis, "AWS::RDS::DBCluster"):
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
    for parameters in _databases(synthesis, "AWS::RDS::DBClusterParameterGroup"):
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
