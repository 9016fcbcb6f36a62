"""A second stack beside the first, with access keys of the product's own."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from facedex_cli.event_signing import sign_event
from tests.deployed.account import EVENTS, Stack
from tests.deployed.emulator import REGION


@pytest.fixture(scope="module")
def key(keyed: Stack) -> tuple[str, str]:
    functions = keyed.emulator.client("lambda")
    answer = functions.invoke(
        FunctionName=keyed.function("access_keys"),
        Payload=json.dumps({"Action": "create", "Name": "door"}),
    )
    created = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, created
    return created["AccessKeyId"], created["SecretAccessKey"]


def test_an_unmodified_client_calls_with_a_key(
    keyed: Stack, key: tuple[str, str], portraits: dict[str, bytes]
) -> None:
    rekognition = keyed.key_holder(*key)
    rekognition.create_collection(CollectionId="staff")
    rekognition.index_faces(CollectionId="staff", Image={"Bytes": portraits["grace"]})
    (match,) = rekognition.search_faces_by_image(
        CollectionId="staff", Image={"Bytes": portraits["grace"]}
    )["FaceMatches"]
    assert match["Similarity"] > 99
    rekognition.delete_collection(CollectionId="staff")


def test_a_signed_sample_event_works_without_the_gateway(
    keyed: Stack, key: tuple[str, str]
) -> None:
    event = json.loads((EVENTS / "list_collections.json").read_text("utf-8"))
    unsigned = keyed.invoke("list_collections", event)
    assert json.loads(unsigned["body"])["__type"] == "MissingAuthenticationTokenException"
    answer = keyed.invoke("list_collections", sign_event(event, *key, REGION))
    assert (answer["statusCode"], json.loads(answer["body"])["CollectionIds"]) == (200, [])


def test_other_keys_and_unsigned_requests_are_refused(keyed: Stack, key: tuple[str, str]) -> None:
    for stranger, code in (
        ((key[0], "x" * 40), "InvalidSignatureException"),
        (("FDXUNKNOWN", "x" * 40), "UnrecognizedClientException"),
    ):
        with pytest.raises(ClientError) as caught:
            keyed.key_holder(*stranger).list_collections()
        assert caught.value.response["Error"]["Code"] == code
    status, answer = keyed.ask_unsigned(f"{keyed.keyed_url}v1/collections")
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_the_stacks_share_no_collections(keyed: Stack, key: tuple[str, str], stack: Stack) -> None:
    keyed.key_holder(*key).create_collection(CollectionId="mine")
    assert "mine" not in stack.caller().list_collections()["CollectionIds"]
    keyed.key_holder(*key).delete_collection(CollectionId="mine")
