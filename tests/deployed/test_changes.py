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
    assert not _functions(account, "facedex-changing")
    assert not _buckets(account, "facedex-changing")
    assert second.outputs["BulkStateMachine"] not in _state_machines(account)


def test_a_failed_migration_leaves_no_stack(account: Account) -> None:
    account.databases.prepared_with = "CREATE TABLE collections (unexpected int)"
    try:
        with pytest.raises(DeploymentFailed, match="collections"):
            account.deploy(environment="failing")
    finally:
        account.databases.prepared_with = ""
    assert not _functions(account, "facedex-failing")


def _functions(account: Account, stack: str) -> list[str]:
    pages = account.emulator.client("lambda").get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    return [name for name in names if name.startswith(stack)]


def _state_machines(account: Account) -> list[str]:
    found = account.emulator.client("stepfunctions").list_state_machines()["stateMachines"]
    return [each["stateMachineArn"] for each in found]


def _buckets(account: Account, stack: str) -> list[str]:
    buckets = account.emulator.client("s3").list_buckets()["Buckets"]
    return [each["Name"] for each in buckets if each["Name"].startswith(stack)]
