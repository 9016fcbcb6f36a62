"""Every program in examples/ runs and prints what its docstring says."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.conftest import Server
from tests.media.making import film

EXAMPLES = Path(__file__).parents[2] / "examples"
_LINES = 60
_TESTED = {
    "badge_door.py",
    "move_collection.py",
    "register_and_recognise.py",
    "rest_without_sdk.py",
    "search_folder.py",
    "stored_video.py",
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    """Return a function that runs an example in another folder, with the settings of a user."""

    def run(
        name: str, *arguments: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        usual = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        return subprocess.run(
            [sys.executable, EXAMPLES / name, *arguments],
            cwd=tmp_path,
            env=os.environ | (environment or usual),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def photos(tmp_path: Path, portraits: dict[str, bytes]) -> Path:
    """Return a folder with a photo of each person, a smaller one of Grace Hopper, and no face."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in portraits.items():
        (folder / f"{name}.jpg").write_bytes(content)
    with Image.open(io.BytesIO(portraits["grace"])) as opened:
        opened.convert("RGB").resize((opened.width // 2, opened.height // 2)).save(
            folder / "visitor.jpg"
        )
    Image.new("RGB", (320, 240), "grey").save(folder / "wall.png")
    return folder


@pytest.fixture
def collection(server: Server, portraits: dict[str, bytes]) -> Iterator[str]:
    """Return a collection with both people."""
    client, name = server.client("rekognition"), f"examples-{uuid4().hex}"
    client.create_collection(CollectionId=name)
    for key, content in portraits.items():
        client.index_faces(CollectionId=name, Image={"Bytes": content}, ExternalImageId=key)
    yield name
    client.delete_collection(CollectionId=name)


def test_every_example_is_short_and_tested() -> None:
    programs = {path.name: path.read_text("utf-8") for path in EXAMPLES.glob("*.py")}
    assert set(programs) == _TESTED
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    for name, text in programs.items():
        assert text.count("\n") < _LINES, name
        assert f"examples/{name}" in text, f"{name} does not say how it is run"
        assert f"examples/{name}" in listed


def test_a_registered_person_is_recognised(run: Run, server: Server, photos: Path) -> None:
    registered = [photos / "eileen.jpg", photos / "grace.jpg"]
    done = run("register_and_recognise.py", *registered, "--", photos / "visitor.jpg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("visitor.jpg: grace (")
    server.client("rekognition").delete_collection(CollectionId="friends")


def test_the_door_opens_for_staff_only(run: Run, collection: str, photos: Path) -> None:
    opened = run("badge_door.py", collection, photos / "visitor.jpg")
    assert (opened.returncode, opened.stdout[:12]) == (0, "open: grace "), opened.stderr
    wall = run("badge_door.py", collection, photos / "wall.png")
    assert (wall.returncode, wall.stdout[:6]) == (1, "shut: "), wall.stderr


def test_the_door_stays_shut_for_strangers(
    run: Run, server: Server, collection: str, photos: Path
) -> None:
    client = server.client("rekognition")
    faces = client.list_faces(CollectionId=collection)["Faces"]
    grace = [face["FaceId"] for face in faces if face["ExternalImageId"] == "grace"]
    client.delete_faces(CollectionId=collection, FaceIds=grace)
    shut = run("badge_door.py", collection, photos / "visitor.jpg")
    assert (shut.returncode, shut.stdout) == (1, "shut: no match\n"), shut.stderr


def test_a_folder_is_searched(run: Run, collection: str, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no photo")
    done = run("search_folder.py", collection, photos)
    assert done.returncode == 0, done.stderr
    broken, *others = done.stdout.splitlines()
    assert broken.startswith("broken.jpg: ")
    assert others == [
        "eileen.jpg: eileen",
        "grace.jpg: grace",
        "visitor.jpg: grace",
        "wall.png: no face",
    ]


def test_a_film_is_searched(
    run: Run, collection: str, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    with Image.open(io.BytesIO(portraits["eileen"])) as opened:
        still = np.asarray(ImageOps.pad(opened.convert("RGB"), (640, 480)))
    path = tmp_path / "lobby.mp4"
    path.write_bytes(film([100 * number for number in range(20)], lambda _: still))
    done = run("stored_video.py", collection, path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("eileen: 0.0 s to 1.")


def test_a_collection_is_moved_with_its_users(
    run: Run, server: Server, collection: str, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    """Two regions stand for Amazon and for Facedex."""
    pair = Image.new("RGB", (1200, 600))
    for place, name in ((0, "eileen"), (600, "grace")):
        with Image.open(io.BytesIO(portraits[name])) as opened:
            pair.paste(ImageOps.pad(opened.convert("RGB"), (600, 600)), (place, 0))
    folder = tmp_path / "originals"
    folder.mkdir()
    pair.save(folder / "pair.png")
    old = server.client("rekognition")
    old.create_user(CollectionId=collection, UserId="ann")
    known = {
        face["Face"]["BoundingBox"]["Left"] < 0.5: face["Face"]["FaceId"]
        for face in old.index_faces(
            CollectionId=collection,
            Image={"Bytes": (folder / "pair.png").read_bytes()},
            ExternalImageId="pair",
        )["FaceRecords"]
    }
    old.associate_faces(CollectionId=collection, UserId="ann", FaceIds=[known[False]])
    old.delete_faces(CollectionId=collection, FaceIds=[known[True]])
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"[profile {name}]\nregion = {region}\nendpoint_url = {server.url}\n"
            "aws_access_key_id = testing\naws_secret_access_key = testing\n"
            for name, region in (("amazon", "us-east-1"), ("facedex", "eu-west-3"))
        )
    )
    done = run(
        "move_collection.py", "amazon", "facedex", collection, folder, AWS_CONFIG_FILE=str(config)
    )
    assert done.returncode == 0, done.stderr
    assert sorted(line.split()[0] for line in done.stderr.splitlines()) == ["eileen", "grace"]
    new = server.client("rekognition", region_name="eu-west-3")
    (moved,) = new.list_faces(CollectionId=collection)["Faces"]
    assert done.stdout == f"{known[False]},{moved['FaceId']}\n"
    assert (moved["UserId"], moved["ExternalImageId"]) == ("ann", "pair")
    assert moved["BoundingBox"]["Left"] > 0.5
    new.delete_collection(CollectionId=collection)


def test_plain_http_indexes_and_searches(run: Run, server: Server, photos: Path) -> None:
    done = run("rest_without_sdk.py", photos / "grace.jpg", photos / "visitor.jpg")
    assert done.returncode == 0, done.stderr
    indexed, found = done.stdout.splitlines()
    assert indexed == "grace.jpg: 1 face records"
    assert found.startswith("visitor.jpg: grace (")
    assert "visitors" not in server.client("rekognition").list_collections()["CollectionIds"]
