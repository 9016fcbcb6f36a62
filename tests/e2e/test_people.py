"""Faces of a collection that look like one person are grouped, and decisions are remembered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageOps

from tests.conftest import Server
from tests.e2e.photos import Portraits, altered
from tests.e2e.plain_http import Rest


@pytest.fixture
def faces(rest: Rest, collection: str, portraits: Portraits) -> dict[str, str]:
    """Index two views of each portrait, and return their FaceIds by ExternalImageId."""
    found = {}
    for name, portrait in portraits.items():
        for view, photo in (("1", portrait), ("2", altered(portrait, ImageOps.mirror))):
            members = {"CollectionId": collection, "ExternalImageId": f"{name}-{view}"}
            (record,) = rest.good("IndexFaces", photo, **members)["FaceRecords"]
            found[f"{name}-{view}"] = record["Face"]["FaceId"]
    return found


def groups_of(rest: Rest, collection: str, **query: Any) -> Any:
    path = f"/v1/collections/{collection}/faces"
    status, answer = rest.ask("GET", path, query={"groups": "people", **query})
    assert status == 200, answer
    return answer


def names(groups: Any) -> set[frozenset[str]]:
    return {frozenset(face["ExternalImageId"] for face in group["Faces"]) for group in groups}


def own(rest: Rest, collection: str, user: str, *face_ids: str, **query: str) -> tuple[int, Any]:
    body = json.dumps({"FaceIds": face_ids}).encode()
    path = f"/v1/collections/{collection}/users/{user}/faces"
    return rest.ask("POST", path, body, query=query)


def test_views_of_one_person_are_a_group_until_one_user_has_them_all(
    rest: Rest, collection: str, faces: dict[str, str]
) -> None:
    found = groups_of(rest, collection)
    grace, eileen = frozenset({"grace-1", "grace-2"}), frozenset({"eileen-1", "eileen-2"})
    assert names(found["Groups"]) == {grace, eileen}
    assert (found["GroupCount"], found["FaceCount"]) == (2, 4)
    assert all(group["Similarity"] > 99 and not group["UserIds"] for group in found["Groups"])
    assert len(groups_of(rest, collection, MaxResults=1)["Groups"]) == 1

    rest.good("CreateUser", CollectionId=collection, UserId="ann")
    assert own(rest, collection, "ann", faces["eileen-1"])[0] == 200
    by_users = {tuple(group["UserIds"]) for group in groups_of(rest, collection)["Groups"]}
    assert by_users == {(), ("ann",)}
    assert own(rest, collection, "ann", faces["eileen-2"])[0] == 200
    assert names(groups_of(rest, collection)["Groups"]) == {grace}


def test_faces_that_are_not_a_users_are_never_grouped_with_the_user_again(
    rest: Rest, collection: str, faces: dict[str, str]
) -> None:
    for user, face in (("ann", "eileen-1"), ("eve", "eileen-2")):
        rest.good("CreateUser", CollectionId=collection, UserId=user)
        assert own(rest, collection, user, faces[face])[0] == 200
    assert ["ann", "eve"] in [group["UserIds"] for group in groups_of(rest, collection)["Groups"]]
    for _ in range(2):  # a repeated request changes nothing
        assert own(rest, collection, "ann", faces["eileen-2"], **{"as": "others"}) == (200, {})
    assert all(not group["UserIds"] for group in groups_of(rest, collection)["Groups"])

    # Associating the face with the user later takes it back.
    path = f"/v1/collections/{collection}/users/eve/faces/delete"
    rest.ask("POST", path, json.dumps({"FaceIds": [faces["eileen-2"]]}).encode())
    assert own(rest, collection, "ann", faces["eileen-2"])[0] == 200
    rest.ask(
        "POST",
        path.replace("/eve/", "/ann/"),
        json.dumps({"FaceIds": [faces["eileen-2"]]}).encode(),
    )
    assert ["ann"] in [group["UserIds"] for group in groups_of(rest, collection)["Groups"]]


def test_what_is_distinguished_is_checked(
    rest: Rest, collection: str, faces: dict[str, str]
) -> None:
    rest.good("CreateUser", CollectionId=collection, UserId="ann")
    own(rest, collection, "ann", faces["grace-1"])
    others = {"as": "others"}
    status, answer = own(rest, collection, "ann", faces["grace-2"], faces["grace-1"], **others)
    assert (status, answer["__type"]) == (400, "InvalidParameterException")
    assert "disassociate it first" in answer["Message"]
    # Nothing of the refused request was remembered.
    assert ["ann"] in [group["UserIds"] for group in groups_of(rest, collection)["Groups"]]
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (
        own(rest, collection, "ann", unknown, **others)[1]["__type"] == "InvalidParameterException"
    )
    assert (
        own(rest, collection, "bob", unknown, **others)[1]["__type"] == "ResourceNotFoundException"
    )
    assert (
        own(rest, collection, "ann", unknown, **{"as": "x"})[1]["__type"] == "ValidationException"
    )


def test_deleted_faces_and_users_take_their_distinctions_with_them(
    rest: Rest, collection: str, faces: dict[str, str], server: Server
) -> None:
    rest.good("CreateUser", CollectionId=collection, UserId="ann")
    own(rest, collection, "ann", faces["grace-1"], **{"as": "others"})
    rest.good("DeleteFaces", CollectionId=collection, FaceIds=[faces["grace-1"]])
    own(rest, collection, "ann", faces["grace-2"], **{"as": "others"})
    rest.good("DeleteUser", CollectionId=collection, UserId="ann")
    assert groups_of(rest, collection)["FaceCount"] == 3


def test_the_command_prints_the_same_groups(
    rest: Rest, collection: str, faces: dict[str, str], server: Server
) -> None:
    command = [str(Path(sys.executable).with_name("facedex")), "people", "group", collection]
    options = ["--json", f"--data-dir={server.directory}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert names(printed) == names(groups_of(rest, collection)["Groups"])
    table = subprocess.run([*command, options[1]], capture_output=True, text=True, check=True)
    assert "2 groups among 4 faces" in table.stdout
    command[-1] = "nowhere"
    missing = subprocess.run([*command, options[1]], capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: There is no collection nowhere")
