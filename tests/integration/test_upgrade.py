"""Collections are upgraded to another pack from their photos, and can be searched meanwhile."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facedex.runtime import services
from facedex.store import collections, upgrades
from facedex_cli.importing.naming import escape
from facedex_cli.program import main
from tests.integration.streaming import Configure, Stage
from tests.model_copies import shorten

MODEL = "901.1"


@pytest.fixture
def models(
    service: None, stage: Stage, dlib_directory: Path, tmp_path: Path, configure: Configure
) -> Iterator[Path]:
    """Return the service with the packs dlib (default) and short, and the collection "staff"."""
    directory = tmp_path / "models"
    shorten(dlib_directory, directory, "short", 901)
    (directory / "dlib").symlink_to(dlib_directory)
    configure(MODELS=directory, PACK="dlib")
    services._shelf.cache_clear()
    client = stage.client("rekognition")
    client.delete_collection(CollectionId="staff")
    client.create_collection(CollectionId="staff")
    yield directory
    services._shelf.cache_clear()


@pytest.fixture
def photos(data: Path, tmp_path: Path, portraits: dict[str, bytes]) -> Path:
    """Return photos of eight people, with a folder each, and two portraits."""
    folder = tmp_path / "photos"
    for number in range(1, 9):
        (folder / f"s{number}").mkdir(parents=True)
        for take in (1, 2):
            with Image.open(data / "att_faces" / f"s{number}" / f"{take}.pgm") as photo:
                wide = photo.convert("RGB").resize((368, 448))
                wide.save(folder / f"s{number}" / f"{take}.png")
    for name, content in portraits.items():
        (folder / f"{name}.jpg").write_bytes(content)
    return folder


class Staff:
    """The collection "staff" of a service, as seen by a user."""

    def __init__(self, client: Any, database_url: str, photos: Path, models: Path) -> None:
        self.client = client
        self.photos = photos
        self._database_url = database_url
        self._models = models

    def fill(self) -> dict[str, dict[str, Any]]:
        """Index every photo, and create a user for each person; return the records by photo."""
        faces: dict[str, dict[str, Any]] = {}
        for path in sorted(self.photos.rglob("*.*")):
            relative = path.relative_to(self.photos).as_posix()
            answer = self.client.index_faces(
                CollectionId="staff",
                Image={"Bytes": path.read_bytes()},
                ExternalImageId=escape(relative),
                QualityFilter="NONE",
                MaxFaces=1,
            )
            if answer["FaceRecords"]:
                faces[relative] = answer["FaceRecords"][0]["Face"]
        for person in sorted({name.split("/")[0] for name in faces if "/" in name}):
            self.client.create_user(CollectionId="staff", UserId=person)
            ids = [face["FaceId"] for name, face in faces.items() if name.startswith(f"{person}/")]
            self.client.associate_faces(
                CollectionId="staff", UserId=person, FaceIds=ids, UserMatchThreshold=0
            )
        assert len(faces) >= 16
        return faces

    def run(self, *arguments: str) -> Result:
        """Run ``facedex collections``."""
        options = [f"--database-url={self._database_url}", f"--data-dir={self._models.parent}/d"]
        result = CliRunner(
            env={
                "FACEDEX_MODELS": str(self._models),
                "FACEDEX_PACK": "dlib",
                "COLUMNS": "200",
            }
        ).invoke(main, ["collections", *arguments, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    def upgrade(self, *more: str, source: str = "", pack: str = "short") -> Result:
        return self.run(
            "upgrade", "staff", f"--from={source or self.photos}", f"--pack={pack}", *more
        )

    @property
    def model(self) -> str:
        described = self.client.describe_collection(CollectionId="staff")
        return str(described["FaceModelVersion"])

    def listed(self) -> list[dict[str, Any]]:
        """Return the faces without the member that an upgrade changes."""
        faces = self.client.list_faces(CollectionId="staff")["Faces"]
        return [{**face, "IndexFacesModelVersion": ""} for face in faces]

    def find(self, photo: str) -> str:
        """Return the FaceId of the best match of a photo."""
        found = self.client.search_faces_by_image(
            CollectionId="staff", Image={"Bytes": (self.photos / photo).read_bytes()}
        )
        best = found["FaceMatches"][0]
        assert best["Similarity"] > 99.9
        assert best["Face"]["IndexFacesModelVersion"] == found["FaceModelVersion"]
        return str(best["Face"]["FaceId"])

    def dimensions(self, table: str) -> set[int]:
        with services.database().reading() as connection:
            rows = connection.execute(f"SELECT DISTINCT vector_dims(vector) AS size FROM {table}")
            return {row.size for row in rows}


@pytest.fixture
def staff(stage: Stage, database_url: str, photos: Path, models: Path) -> Staff:
    return Staff(stage.client("rekognition"), database_url, photos, models)


def test_an_upgrade_keeps_ids_users_and_tags_and_changes_every_vector(staff: Staff) -> None:
    faces = staff.fill()
    arn = staff.client.describe_collection(CollectionId="staff")["CollectionARN"]
    staff.client.tag_resource(ResourceArn=arn, Tags={"team": "flight", "facedex:pack": "dlib"})
    before = staff.listed()
    result = staff.upgrade()
    assert result.exit_code == 0, result.output
    assert "staff was made with dlib (1.2), and is searched with short (901.1) now." in (
        result.output
    )
    assert staff.model == MODEL
    assert staff.listed() == before
    assert {photo: staff.find(photo) for photo in faces} == {
        photo: face["FaceId"] for photo, face in faces.items()
    }
    users = staff.client.search_users(
        CollectionId="staff", FaceId=faces["s3/1.png"]["FaceId"], UserMatchThreshold=0
    )
    assert users["UserMatches"][0]["User"]["UserId"] == "s3"
    assert staff.dimensions("faces") == staff.dimensions("users") == {97}
    tags = staff.client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == {"team": "flight", "facedex:pack": "short"}
    with services.database().reading() as connection:
        row = connection.execute(
            "SELECT count(*) AS others FROM users WHERE vector::text <> ("
            " SELECT l2_normalize(avg(faces.vector))::halfvec::text FROM faces"
            " WHERE faces.user_id = users.user_id)"
        ).fetchone()
        assert row is not None
        assert row.others == 0
        assert connection.execute("SELECT FROM upgrades").fetchall() == []
        assert connection.execute("SELECT FROM upgraded_faces").fetchall() == []
    again = staff.upgrade()
    assert (again.exit_code, again.output) == (0, "staff already uses short (901.1).\n")
    assert staff.upgrade(pack="dlib").exit_code == 0
    assert staff.model == "1.2"
    assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]


def test_originals_are_matched_by_content_first_and_then_by_name(
    staff: Staff, tmp_path: Path
) -> None:
    faces = staff.fill()
    moved = tmp_path / "moved"
    for number, path in enumerate(sorted(staff.photos.rglob("*.*"))):
        relative = path.relative_to(staff.photos).as_posix()
        target = moved / "deep" / f"{number}{path.suffix}"
        if relative == "s1/1.png":  # other bytes, with the path as the name, as from import
            target = moved / relative
        if relative == "s2/1.png":  # other bytes, named by the ImageId
            target = moved / f"{faces[relative]['ImageId']}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        if relative in ("s1/1.png", "s2/1.png"):
            buffer = io.BytesIO()
            Image.open(path).save(buffer, "PNG", compress_level=1)
            content = buffer.getvalue()
            assert content != path.read_bytes()
        target.write_bytes(content)
    (moved / "notes.txt").write_text("no photo")
    (moved / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0broken")
    result = staff.upgrade(source=str(moved))
    assert result.exit_code == 0, result.output
    assert staff.find("s1/1.png") == faces["s1/1.png"]["FaceId"]
    assert staff.find("s2/1.png") == faces["s2/1.png"]["FaceId"]


def test_a_name_shared_by_several_photos_identifies_none(staff: Staff, tmp_path: Path) -> None:
    for name in ("one", "two"):
        content = (staff.photos / f"s1/{'1' if name == 'one' else '2'}.png").read_bytes()
        staff.client.index_faces(
            CollectionId="staff",
            Image={"Bytes": content},
            ExternalImageId="ann",
            QualityFilter="NONE",
        )
    folder = tmp_path / "ann"
    folder.mkdir()
    Image.open(staff.photos / "s1/1.png").save(folder / "a.jpg")
    Image.open(staff.photos / "s2/1.png").save(folder / "b.jpg")
    result = staff.upgrade(source=str(folder))
    assert result.exit_code == 1
    assert staff.model == "1.2"
    (folder / "c.png").write_bytes((staff.photos / "s1/1.png").read_bytes())
    result = staff.upgrade(source=str(folder))
    assert result.exit_code == 1
    assert "several photos have its name, but none its bytes" in result.output


def test_faces_without_an_original_keep_the_collection_as_it_is_unless_they_may_go(
    staff: Staff, tmp_path: Path
) -> None:
    faces = staff.fill()
    gone = ["s1/1.png", "s2/1.png", "s2/2.png"]
    for name in gone:
        (staff.photos / name).unlink()
    report = tmp_path / "report.csv"
    result = staff.upgrade(f"--report={report}")
    assert result.exit_code == 1
    assert (
        "Faces without a new vector: 3. So staff is still searched with dlib (1.2)" in result.output
    )
    assert faces["s1/1.png"]["FaceId"] in result.output
    with report.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["FaceId"] for row in rows} == {faces[name]["FaceId"] for name in gone}
    assert {row["reason"] for row in rows} == {"no original"}
    assert {row["ExternalImageId"] for row in rows} == {escape(name) for name in gone}
    assert staff.model == "1.2"
    assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]
    listed = staff.run("list").output
    assert f"upgrade to 901.1: {len(faces) - 3} of {len(faces)} faces" in listed

    result = staff.upgrade("--delete-missing")
    assert result.exit_code == 0, result.output
    assert "Faces deleted: 3." in result.output
    left = {name: face["FaceId"] for name, face in faces.items() if name not in gone}
    assert {face["FaceId"] for face in staff.listed()} == set(left.values())
    assert staff.client.describe_collection(CollectionId="staff")["FaceCount"] == len(left)
    users = {
        each["UserId"]: each["UserStatus"]
        for each in staff.client.list_users(CollectionId="staff")["Users"]
    }
    assert (users["s1"], users["s2"]) == ("ACTIVE", "CREATED")
    found = staff.client.search_users(CollectionId="staff", UserId="s1", UserMatchThreshold=0)
    assert "s2" not in [each["User"]["UserId"] for each in found["UserMatches"]]


def test_no_face_is_deleted_while_its_original_may_be_among_what_cannot_be_read(
    staff: Staff, tmp_path: Path
) -> None:
    faces = staff.fill()
    photo, away = staff.photos / "s2/1.png", tmp_path / "not-mounted" / "1.png"
    content = photo.read_bytes()
    photo.unlink()
    photo.symlink_to(away)
    result = staff.upgrade("--delete-missing")
    assert result.exit_code == 1
    assert f"cannot be read: {photo} (No such file or directory)" in result.output
    assert (
        "Faces without a new vector: 1. Their originals may be among the files and folders that"
        " could not be read (1), so no face was deleted and staff is still searched with dlib"
        " (1.2)."
    ) in result.output
    assert len(staff.listed()) == len(faces)
    assert staff.model == "1.2"
    away.parent.mkdir()
    away.write_bytes(content)
    assert staff.upgrade("--delete-missing").exit_code == 0
    assert (len(staff.listed()), staff.model) == (len(faces), MODEL)


def test_a_wrong_folder_loses_no_face(staff: Staff, tmp_path: Path) -> None:
    faces = staff.fill()
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    result = staff.upgrade("--delete-missing", source=str(wrong))
    assert (result.exit_code, result.output) == (1, f"Error: There are no photos in {wrong}.\n")
    (wrong / "else.png").write_bytes((staff.photos / "s1/1.png").read_bytes() + b"other")
    result = staff.upgrade("--delete-missing", source=str(wrong))
    assert result.exit_code == 1
    assert result.output.endswith(
        f"Error: No file in {wrong} is the original of a face in staff, by its bytes, ImageId or"
        " ExternalImageId (files: 1); the collection stays as it is.\n"
    )
    assert len(staff.listed()) == len(faces)
    assert staff.model == "1.2"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("nobody", "--from=.", "--pack=short"),
            "There is no collection nobody in us-east-1; list all with",
        ),
        (("staff", "--from=.", "--pack=no-such"), "There is no model pack 'no-such'; choose one"),
        (("staff", "--from=.", "--pack=buffalo_l"), "The model pack buffalo_l is not for commerc"),
        (("staff", "--from=nowhere", "--pack=short"), "nowhere is not a folder, nor s3://BUCKET"),
        (("staff", "--from=s3://no-such-bucket/", "--pack=short"), "The photos in s3://no-such-b"),
    ],
)
def test_an_impossible_upgrade_is_reported_in_one_sentence(
    staff: Staff, stage: Stage, monkeypatch: pytest.MonkeyPatch, arguments: Any, sentence: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", stage.url)
    result = staff.run("upgrade", *arguments)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {sentence}")
    assert result.output.count("\n") == 1
    assert staff.model == "1.2"


def test_an_empty_collection_needs_no_originals(staff: Staff) -> None:
    assert staff.upgrade().exit_code == 0
    assert staff.model == MODEL


def test_originals_in_s3_are_read_with_the_users_credentials(
    staff: Staff, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = staff.fill()
    monkeypatch.setenv("AWS_ENDPOINT_URL", stage.url)
    bucket, s3 = f"photos-{uuid4().hex}", stage.client("s3")
    s3.create_bucket(Bucket=bucket)
    for path in staff.photos.rglob("*.*"):
        key = f"old/{path.relative_to(staff.photos).as_posix()}"
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    result = staff.upgrade(source=f"s3://{bucket}/old")
    assert result.exit_code == 0, result.output
    assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]


def test_outdated_collections_are_listed(staff: Staff, models: Path) -> None:
    staff.fill()
    staff.client.create_collection(CollectionId="new", Tags={"facedex:pack": "short"})
    staff.client.create_collection(CollectionId="old")
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE collections SET model_version = '3.1' WHERE collection_id = 'old'"
        )
    rows = {
        cells[0]: cells[1:]
        for line in staff.run("list").output.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("│ ").split("│")]) == 6
    }
    assert rows["staff"][2:] == ["1.2", "dlib", "up to date"]
    assert rows["staff"][1] == "8"
    assert rows["new"] == ["0", "0", "901.1", "short", "outdated: dlib is 1.2"]
    assert rows["old"][2:] == [
        "3.1",
        "buffalo_sc",
        "outdated: dlib is 1.2; its pack is not installed",
    ]


def test_a_killed_upgrade_resumes(staff: Staff, tmp_path: Path) -> None:
    faces = staff.fill()
    command = [
        str(Path(sys.executable).with_name("facedex")),
        "collections",
        "upgrade",
        "staff",
        f"--from={staff.photos}",
        "--pack=short",
        "--concurrency=1",
        f"--database-url={staff._database_url}",
        f"--data-dir={tmp_path / 'd'}",
    ]
    environment = {**os.environ, "FACEDEX_MODELS": str(staff._models)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    kept = wait_for_some(process)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert 0 < kept < len(faces)
    assert staff.model == "1.2"
    with services.database().reading() as connection:
        rows = connection.execute("SELECT face_id::text AS face_id FROM upgraded_faces")
        done = {row.face_id for row in rows}
    # The second run can therefore only continue from the results of the first one.
    for name, face in faces.items():
        if face["FaceId"] in done and name != "s3/1.png":
            (staff.photos / name).rename(tmp_path / name.replace("/", "-"))
    result = staff.upgrade()
    assert result.exit_code == 0, result.output
    assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]
    assert len(staff.listed()) == len(faces)


def wait_for_some(process: subprocess.Popen[bytes]) -> int:
    """Wait for new vectors, and return their number."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        with services.database().reading() as connection:
            row = connection.execute("SELECT count(*) AS kept FROM upgraded_faces").fetchone()
        assert row is not None
        if row.kept:
            return int(row.kept)
        time.sleep(0.01)
    raise AssertionError("the upgrade has kept nothing")


def test_photos_that_are_indexed_during_an_upgrade_get_vectors_of_both_packs(
    staff: Staff, portraits: dict[str, bytes]
) -> None:
    staff.fill()
    with services.database().transaction() as connection:
        upgrades.begin(connection, collections.find(connection, "staff"), MODEL)
    answer = staff.client.index_faces(
        CollectionId="staff", Image={"Bytes": portraits["grace"]}, ExternalImageId="live"
    )
    (record,) = answer["FaceRecords"]
    assert answer["FaceModelVersion"] == "1.2"
    result = staff.upgrade()
    assert result.exit_code == 0, result.output
    live = staff.client.search_faces_by_image(
        CollectionId="staff", Image={"Bytes": portraits["grace"]}, FaceMatchThreshold=99
    )
    assert record["Face"]["FaceId"] in [each["Face"]["FaceId"] for each in live["FaceMatches"]]


def test_requests_during_the_switch_each_use_one_model(
    staff: Staff, portraits: dict[str, bytes]
) -> None:
    faces = staff.fill()
    over = Event()
    answered: list[str] = []

    def search() -> None:
        while not over.is_set():
            assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]

    def index(client: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            answer = staff.client.index_faces(
                CollectionId="staff",
                Image={"Bytes": portraits["eileen"]},
                ExternalImageId=f"{client}-{number}",
            )
            answered.append(answer["FaceRecords"][0]["Face"]["FaceId"])

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(search), *(pool.submit(index, each) for each in ("a", "b", "c"))]
        try:
            time.sleep(1)
            for pack in ("short", "dlib", "short"):
                result = staff.upgrade(pack=pack)
                assert result.exit_code == 0, result.output
                time.sleep(1)
        finally:
            over.set()
        for other in others:
            other.result(60)
    assert staff.dimensions("faces") == {97}
    assert {face["FaceId"] for face in all_faces(staff)} >= set(answered)


def all_faces(staff: Staff) -> list[dict[str, Any]]:
    pages = staff.client.get_paginator("list_faces").paginate(CollectionId="staff")
    return [face for page in pages for face in page["Faces"]]


def test_faces_and_collection_can_be_deleted_during_an_upgrade(staff: Staff) -> None:
    faces = staff.fill()
    for name in ("s1/1.png", "s2/1.png"):
        (staff.photos / name).unlink()
    assert staff.upgrade().exit_code == 1
    for name in ("eileen.jpg", "s1/1.png"):
        face_id = faces[name]["FaceId"]
        if "/" in name:
            staff.client.disassociate_faces(CollectionId="staff", UserId="s1", FaceIds=[face_id])
        deleted = staff.client.delete_faces(CollectionId="staff", FaceIds=[face_id])
        assert deleted["DeletedFaces"] == [face_id]
    staff.client.delete_collection(CollectionId="staff")
    with services.database().reading() as connection:
        for table in ("faces", "upgrades", "upgraded_faces", "collections"):
            assert connection.execute(f"SELECT FROM {table}").fetchall() == []


def test_an_unfinished_upgrade_can_be_abandoned(staff: Staff) -> None:
    staff.fill()
    (staff.photos / "s1/1.png").unlink()
    assert staff.upgrade().exit_code == 1
    assert staff.run("abandon", "staff").output == "The upgrade of staff was abandoned.\n"
    assert staff.run("abandon", "staff").output == "staff has no unfinished upgrade.\n"
    assert "upgrade to" not in staff.run("list").output
