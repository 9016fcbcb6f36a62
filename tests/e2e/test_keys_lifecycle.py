"""Access keys are listed, disabled, enabled and deleted, and may be read-only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.e2e.keys import CACHE, Key, ask, client, code, create_key, facedex, signed


def test_a_disabled_key_stops_working_and_an_enabled_one_works_again(
    guarded: Server, directory: Path
) -> None:
    key = create_key(directory)
    rekognition = client(guarded, key)
    assert rekognition.list_collections()
    assert facedex("keys", "disable", key[0], f"--data-dir={directory}").returncode == 0
    assert _until_refused(rekognition.list_collections) == "UnrecognizedClientException"
    assert facedex("keys", "enable", key[0], f"--data-dir={directory}").returncode == 0
    assert rekognition.list_collections()
    assert facedex("keys", "delete", key[0], f"--data-dir={directory}").returncode == 0
    assert _until_refused(rekognition.list_collections) == "UnrecognizedClientException"


def _until_refused(call: Callable[[], object]) -> str:
    deadline = time.monotonic() + 60 * CACHE
    while time.monotonic() < deadline:
        try:
            call()
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])
        time.sleep(0.05)
    raise AssertionError("the key still works")


def test_a_read_only_key_reads_and_changes_nothing(
    guarded: Server, key: Key, directory: Path, portraits: dict[str, bytes]
) -> None:
    writer = client(guarded, key)
    writer.create_collection(CollectionId="read-only")
    reader_key = create_key(directory, "--read-only")
    reader = client(guarded, reader_key)
    image = {"Bytes": portraits["eileen"]}
    assert "read-only" in reader.list_collections()["CollectionIds"]
    assert reader.detect_faces(Image=image)["FaceDetails"]
    assert reader.search_faces_by_image(CollectionId="read-only", Image=image)["FaceMatches"] == []
    denied = [
        lambda: reader.create_collection(CollectionId="another"),
        lambda: reader.delete_collection(CollectionId="read-only"),
        lambda: reader.index_faces(CollectionId="read-only", Image=image),
        lambda: reader.create_user(CollectionId="read-only", UserId="ann"),
        reader.associate_faces,
    ]
    for call in denied:
        assert code(call) == "AccessDeniedException"
    url = f"{guarded.url}/v1/collections/read-only"
    status, answer = ask(url, "DELETE", headers=signed(url, reader_key, "DELETE"))
    assert (status, answer["__type"]) == (400, "AccessDeniedException")
    assert writer.describe_collection(CollectionId="read-only")["FaceCount"] == 0


@pytest.mark.usefixtures("guarded")
def test_the_list_shows_every_key_and_no_secret(directory: Path, key: Key, early_key: Key) -> None:
    listed = facedex("keys", "list", f"--data-dir={directory}")
    assert listed.returncode == 0
    rows = {
        cells[1].strip(): cells
        for line in listed.stdout.splitlines()
        if len(cells := line.split("│")) == 7
    }
    assert {key[0], early_key[0]} <= set(rows)
    assert rows[early_key[0]][2].strip() == "[early]\\x1b bird at the door"
    as_json = facedex("keys", "list", "--json", f"--data-dir={directory}")
    found = {each["AccessKeyId"]: each for each in map(json.loads, as_json.stdout.splitlines())}
    assert found[early_key[0]]["Name"] == "[early]\x1b bird at the door"
    assert (found[key[0]]["Permission"], found[key[0]]["DisabledAt"]) == ("all", None)
    for secret in (key[1], early_key[1]):
        assert secret not in listed.stdout + as_json.stdout


@pytest.mark.usefixtures("guarded")
def test_an_unknown_key_is_named_in_the_error(directory: Path) -> None:
    for command in ("disable", "enable", "delete"):
        refused = facedex("keys", command, "FDXAAAAAAAAAAAAAAAAA", f"--data-dir={directory}")
        assert refused.returncode == 1
        assert refused.stderr == "Error: There is no access key 'FDXAAAAAAAAAAAAAAAAA'\n"


@pytest.mark.usefixtures("early_key")
def test_the_keys_secret_is_readable_only_by_its_owner(directory: Path) -> None:
    assert (directory / "keys.secret").stat().st_mode & 0o777 == 0o600
