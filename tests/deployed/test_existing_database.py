"""A stack on a user's own Postgres, beside a stack with a database of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from facedex_local.postgres.cluster import Postgres
from tests.deployed.account import Account, Stack, wait_for
from tests.own_database import OwnDatabase

_HOST = "faces.localhost"


@pytest.fixture(scope="module")
def own(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDatabase]:
    """Return a database that an administrator has prepared as docs/own-database.md says."""
    cluster = Postgres(tmp_path_factory.mktemp("own"))
    cluster.start()
    made = OwnDatabase(cluster, "faces_app")
    made.prepare()
    account.databases.adopt(_HOST, cluster)
    yield made
    cluster.stop()


@pytest.fixture(scope="module")
def secret(account: Account, own: OwnDatabase) -> str:
    return _create_secret(account, own)


@pytest.fixture(scope="module")
def existing(account: Account, local_names: None, own: OwnDatabase, secret: str) -> Stack:
    return _deploy_on(account, own, secret)


def _create_secret(account: Account, own: OwnDatabase) -> str:
    secrets = account.emulator.client("secretsmanager")
    return str(secrets.create_secret(Name=f"{own.role}/database", SecretString=_of(own))["ARN"])


def _deploy_on(account: Account, own: OwnDatabase, secret: str) -> Stack:
    return account.deploy(
        environment="existing",
        database_url=f"postgresql://{own.role}@{_HOST}/{own.role}?sslmode=verify-full",
        database_auth="password",
        database_secret=secret,
        database_ca=str(account.emulator.certificate.chain),
    )


def _of(own: OwnDatabase) -> str:
    return json.dumps({"username": own.role, "password": own.password})


def test_the_story_of_a_collection_runs_on_the_users_database(
    existing: Stack, own: OwnDatabase, portraits: dict[str, bytes]
) -> None:
    rekognition, s3 = existing.caller(), existing.emulator.client("s3")
    rekognition.create_collection(CollectionId="staff")
    rekognition.index_faces(
        CollectionId="staff", Image={"Bytes": portraits["eileen"]}, ExternalImageId="eileen"
    )
    assert _found(existing, portraits["eileen"]) == ["eileen"]
    assert _found(existing, portraits["grace"]) == []
    s3.put_object(Bucket=existing.uploads, Key="staff/grace.jpg", Body=portraits["grace"])
    wait_for(lambda: _found(existing, portraits["grace"]) == ["grace"], "the upload")
    assert own.run("SELECT count(*) FROM faces") == [(2,)]


def test_functions_read_the_password_again_after_a_rotation(
    existing: Stack, own: OwnDatabase, secret: str, portraits: dict[str, bytes]
) -> None:
    before = own.password
    assert _found(existing, portraits["eileen"]) == ["eileen"]
    own.change_password("rotated-by-secrets-manager")
    existing.emulator.client("secretsmanager").put_secret_value(
        SecretId=secret, SecretString=_of(own)
    )
    assert _found(existing, portraits["eileen"]) == ["eileen"]
    _sweep(existing)
    # Neither password is anywhere but in the secret.
    shown = json.dumps(_configurations(existing)) + existing.emulator.log()
    for password in (before, own.password):
        assert password not in shown


def test_it_stands_beside_a_stack_with_its_own_database(existing: Stack, stack: Stack) -> None:
    ours = {each["PhysicalResourceId"] for each in existing.resources()}
    kinds = {each["ResourceType"] for each in existing.resources()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::RDS::", "AWS::EC2::"))]
    # Each custom resource is "schema" in its own stack.
    others = {each["PhysicalResourceId"] for each in stack.resources()}
    assert not {each for each in ours & others if existing.name in each or stack.name in each}
    stack.caller().create_collection(CollectionId="beside")
    assert existing.caller().list_collections()["CollectionIds"] == ["staff"]
    assert "staff" not in stack.caller().list_collections()["CollectionIds"]
    stack.caller().delete_collection(CollectionId="beside")


def test_another_database_is_migrated_before_functions_use_it(
    account: Account, existing: Stack, own: OwnDatabase
) -> None:
    other = OwnDatabase(own.cluster, "faces_moved")
    other.prepare()
    moved = _deploy_on(account, other, _create_secret(account, other))
    assert moved.outputs["Endpoint"] == existing.outputs["Endpoint"]
    assert moved.caller().list_collections()["CollectionIds"] == []


def test_its_removal_leaves_the_users_data_and_the_other_stack(
    account: Account, existing: Stack, own: OwnDatabase, secret: str, stack: Stack
) -> None:
    account.destroy(existing)
    functions = account.emulator.client("lambda").get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in functions for each in page["Functions"]]
    assert not [name for name in names if name.startswith(existing.name)]
    assert own.run("SELECT collection_id FROM collections") == [("staff",)]
    secrets = account.emulator.client("secretsmanager")
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == _of(own)
    assert "CollectionIds" in stack.caller().list_collections()


def _found(stack: Stack, photo: bytes) -> list[str]:
    answer = stack.caller().search_faces_by_image(CollectionId="staff", Image={"Bytes": photo})
    return [match["Face"]["ExternalImageId"] for match in answer["FaceMatches"]]


def _sweep(stack: Stack) -> None:
    answer = stack.emulator.client("lambda").invoke(FunctionName=stack.function("sweep"))
    assert "FunctionError" not in answer, answer["Payload"].read()


def _configurations(stack: Stack) -> list[dict[str, Any]]:
    functions = stack.emulator.client("lambda").get_paginator("list_functions").paginate()
    return [
        {"name": each["FunctionName"], "environment": each.get("Environment")}
        for page in functions
        for each in page["Functions"]
        if each["FunctionName"].startswith(stack.name)
    ]
