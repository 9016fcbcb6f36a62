"""Updates, failures and removal of a stack."""

from __future__ import annotations

import pytest

from tests.deployed.account import Account
from tests.deployed.commands import DeploymentFailed


def test_an_update_keeps_the_faces(
    account: Account, local_names: None, portraits: dict[str, bytes]
) -> None:
    first = account.deploy(environment="changing")
    rekognition = first.caller()
    rekognition.create_collection(CollectionId="staff")
    rekognition.index_faces(CollectionId="staff", Image={"Bytes": portraits["eileen"]})
    second = account.deploy(
        environment="changing",
        video="true",
        uploads_days="3",
        bulk="true",
        bulk_buckets="albums",
        bulk_reports="reports",
    )
    assert second.outputs["Endpoint"] == first.outputs["Endpoint"]
    assert len(second.caller().list_faces(CollectionId="staff")["Faces"]) == 1
    account.destroy(second)
    assert second.outputs["BulkStateMachine"] not in _state_machines(account)
    # docs/deploy.md says what remains.
    ((service, (role,)),) = _remains(account, "facedex-changing").items()
    assert (service, "CloudWatchRole" in role) == ("iam", True)


def test_a_failed_migration_leaves_no_stack(account: Account) -> None:
    account.databases.prepared_with = "CREATE TABLE collections (unexpected int)"
    try:
        with pytest.raises(DeploymentFailed, match="collections"):
            account.deploy(environment="failing")
    finally:
        account.databases.prepared_with = ""
    assert not _functions(account, "facedex-failing")


def _state_machines(account: Account) -> list[str]:
    found = account.emulator.client("stepfunctions").list_state_machines()["stateMachines"]
    return [each["stateMachineArn"] for each in found]


def _functions(account: Account, stack: str) -> list[str]:
    pages = account.emulator.client("lambda").get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    return [name for name in names if name.startswith(stack)]


# Operations that list resources, by service, and where the names are in the answer.
_LISTS = (
    ("s3", "list_buckets", "Buckets", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("events", "list_rules", "Rules", "Name"),
    ("rds", "describe_db_clusters", "DBClusters", "DBClusterIdentifier"),
    ("apigateway", "get_rest_apis", "items", "name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
)


def _remains(account: Account, stack: str) -> dict[str, list[str]]:
    """Return the names of what is left of a stack, by service."""
    left = {"lambda": _functions(account, stack)}
    for service, operation, member, name in _LISTS:
        client = account.emulator.client(service)
        if client.can_paginate(operation):
            pages = list(client.get_paginator(operation).paginate())
        else:
            pages = [getattr(client, operation)()]
        found = [str(each[name]) for page in pages for each in page.get(member, ())]
        left[service] = [each for each in found if stack in each]
    queues = account.emulator.client("sqs").list_queues().get("QueueUrls", [])
    left["sqs"] = [each for each in queues if stack in each]
    return {service: names for service, names in left.items() if names}
