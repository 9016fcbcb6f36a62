"""Collections are upgraded to another pack from their photos, in one command."""

from __future__ import annotations

import csv
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from facedex.runtime import model_packs, services
from facedex.store import collections, upgrades
from tests.integration.streaming import Stage
from tests.integration.upgrades.staff import MODEL, Staff
from tests.model_copies import copy


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


@pytest.fixture
def negative(portraits: dict[str, bytes]) -> bytes:
    """Return a negative, on which YuNet's landmarks can be trusted, but not CenterFace's."""
    with Image.open(io.BytesIO(portraits["eileen"])) as portrait:
        # Small, as both judgements are then far from their bounds.
        altered = ImageOps.invert(portrait.convert("RGB").resize((320, 320)))
    file = io.BytesIO()
    altered.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def of_yunet(data: Path, dlib_directory: Path, staff: Staff, models: Path) -> None:
    """Let the collection have a pack with YuNet as its detector."""
    detector = data / "models" / "face_detection_yunet_n_dynamic.onnx"
    folder = copy(dlib_directory, models, "yunet", 902)
    manifest = (folder / "pack.toml").read_text(encoding="utf-8")
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    for name in ("detector.onnx", "SHA256SUMS"):
        (folder / name).unlink()
    (folder / "detector.onnx").symlink_to(detector)
    kept = [line for line in sums if not line.endswith("detector.onnx")]
    changed = f"{sha256(detector.read_bytes()).hexdigest()}  detector.onnx"
    (folder / "SHA256SUMS").write_text("\n".join([*kept, changed, ""]), encoding="utf-8")
    assert 'kind = "centerface"' in manifest
    (folder / "pack.toml").write_text(
        manifest.replace('kind = "centerface"', 'kind = "yunet"'), encoding="utf-8"
    )
    model_packs._shelf.cache_clear()
    staff.client.delete_collection(CollectionId="staff")
    staff.client.create_collection(CollectionId="staff", Tags={"facedex:pack": "yunet"})
    assert staff.model == "902.1"


@pytest.mark.usefixtures("of_yunet")
def test_a_face_that_the_new_pack_would_not_index_gets_no_vector(
    staff: Staff, negative: bytes, tmp_path: Path
) -> None:
    (staff.photos / "negative.png").write_bytes(negative)
    answer = staff.client.index_faces(CollectionId="staff", Image={"Bytes": negative})
    (record,) = answer["FaceRecords"]
    report = tmp_path / "report.csv"
    result = staff.upgrade(f"--report={report}", pack="dlib")
    assert result.exit_code == 1, result.output
    with report.open() as file:
        (row,) = csv.DictReader(file)
    assert row["FaceId"] == record["Face"]["FaceId"]
    assert row["reason"] == "its eyes, nose and mouth cannot be located in its original"
    assert staff.upgrade("--delete-missing", pack="dlib").exit_code == 0
    assert (staff.listed(), staff.model) == ([], "1.2")
    again = staff.client.index_faces(CollectionId="staff", Image={"Bytes": negative})
    assert again["FaceRecords"] == []
    assert [face["Reasons"] for face in again["UnindexedFaces"]] == [["LOW_FACE_QUALITY"]]


@pytest.mark.usefixtures("of_yunet")
def test_a_face_indexed_during_an_upgrade_has_no_vector_that_the_new_pack_would_not_give(
    staff: Staff, negative: bytes, portraits: dict[str, bytes]
) -> None:
    with services.database().transaction() as connection:
        upgrades.begin(connection, collections.find(connection, "staff"), "1.2")
    ((good,), (bad,)) = (
        staff.client.index_faces(CollectionId="staff", Image={"Bytes": content})["FaceRecords"]
        for content in (portraits["eileen"], negative)
    )
    with services.database().reading() as connection:
        rows = connection.execute("SELECT face_id FROM upgraded_faces").fetchall()
    assert [str(row.face_id) for row in rows] == [good["Face"]["FaceId"]]
    assert bad["Face"]["FaceId"] in {face["FaceId"] for face in staff.listed()}


def test_an_empty_collection_needs_no_originals(staff: Staff) -> None:
    assert staff.upgrade().exit_code == 0
    assert staff.model == MODEL


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


def test_outdated_collections_are_listed(staff: Staff, models: Path) -> None:
    faces = staff.fill()
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
    lines = staff.run("list", "--json").stdout.splitlines()
    found = {each.pop("CollectionId"): each for each in map(json.loads, lines)}
    assert found["staff"] == {
        **{"FaceCount": len(faces), "UserCount": 8, "FaceModelVersion": "1.2", "Pack": "dlib"},
        **{"Outdated": False, "Installed": True, "Upgrade": None},
    }
    assert found["old"] == {
        **{"FaceCount": 0, "UserCount": 0, "FaceModelVersion": "3.1", "Pack": "buffalo_sc"},
        **{"Outdated": True, "Installed": False, "Upgrade": None},
    }


def test_an_unfinished_upgrade_can_be_abandoned(staff: Staff) -> None:
    faces = staff.fill()
    (staff.photos / "s1/1.png").unlink()
    assert staff.upgrade().exit_code == 1
    (listed,) = staff.run("list", "--json").stdout.splitlines()
    new = {"FaceModelVersion": "901.1", "FaceCount": len(faces) - 1}
    assert json.loads(listed)["Upgrade"] == new
    assert staff.run("abandon", "staff").output == "The upgrade of staff was abandoned.\n"
    assert staff.run("abandon", "staff").output == "staff has no unfinished upgrade.\n"
    assert "upgrade to" not in staff.run("list").output
