"""The original photo of each face is found, and a face without one is kept unless it may go."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from facedex.api.naming import escape
from facedex.runtime import services
from facedex.store import audit_reading
from tests.integration.streaming import Stage
from tests.integration.upgrades.staff import MODEL, Staff


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
    *_, last = audit_reading.links(services.database(), 0)
    row = json.loads(last.entry or "")
    assert (row["operation"], row["caller_kind"]) == ("UpgradeCollection", "operator")
    assert set(row["faces"]) == {faces[name]["FaceId"] for name in gone}
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


def test_originals_are_found_in_hidden_and_system_folders_by_their_bytes_only(
    staff: Staff,
) -> None:
    faces = staff.fill()
    for number in (1, 2):
        hidden = staff.photos / (".old" if number == 1 else "@eaDir")
        (staff.photos / f"s{number}").rename(hidden)
    thumbnail = staff.photos / "s3" / "@eaDir" / "1.png"
    thumbnail.parent.mkdir()
    Image.open(staff.photos / "s3/1.png").resize((92, 112)).save(thumbnail)
    # Such as editors leave behind: it hides no photo.
    (staff.photos / ".lock").symlink_to(staff.photos / "gone")
    result = staff.upgrade("--delete-missing")
    assert result.exit_code == 0, result.output
    assert "deleted" not in result.output
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
    missing = staff.upgrade(source=f"s3://{bucket}/new")
    assert missing.stderr == f"Error: There are no photos in s3://{bucket}/new ({stage.url}).\n"
    result = staff.upgrade(source=f"s3://{bucket}/old")
    assert result.exit_code == 0, result.output
    assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]
