"""``facedex import``: folders and S3 prefixes are imported once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.e2e.importer import Importer, Rows, portrait

if TYPE_CHECKING:
    from tests.conftest import Server


@pytest.fixture
def photos(tmp_path: Path, portraits: dict[str, bytes]) -> Path:
    """Return a folder for each person with two photos, and three files without a face."""
    root = tmp_path / "photos"
    for name, data in portraits.items():
        folder = root / "people" / f"{name} {name}"
        folder.mkdir(parents=True)
        picture = portrait(data)
        picture.save(folder / f"{name}.jpg", quality=90)
        # The content is a PNG, in spite of the name.
        ImageOps.mirror(picture).save(folder / f"{name} mirrored.jpg", "PNG")
    (root / "notes.jpg").write_text("not a photo")
    (root / "cut off.jpg").write_bytes(portraits["grace"][:5000])
    Image.new("RGB", (300, 300), "teal").save(root / "blank.png")
    (root / ".hidden.jpg").write_bytes(portraits["grace"])
    (root / ".hidden").mkdir()
    (root / ".hidden" / "grace.jpg").write_bytes(portraits["grace"])
    return root


def results(rows: Rows) -> dict[str, str]:
    return {name: row["result"] for name, row in rows.items()}


EXPECTED = {
    "eileen.jpg": "indexed",
    "eileen mirrored.jpg": "indexed",
    "grace.jpg": "indexed",
    "grace mirrored.jpg": "indexed",
    "notes.jpg": "not an image",
    "cut off.jpg": "damaged",
    "blank.png": "no face found",
}


def test_a_folder_is_imported_once_and_what_was_not_indexed_is_reported(
    importer: Importer, photos: Path
) -> None:
    rows = importer(photos, status=1)
    assert results(rows) == EXPECTED
    assert "truncated" in rows["cut off.jpg"]["message"]
    stems = ["eileen", "eileen:20mirrored", "grace", "grace:20mirrored"]
    assert importer.external_ids() == stems
    (photos / "cut off.jpg").unlink()
    again = importer(photos)
    assert results(again) == {name: EXPECTED[name] for name in again}
    earlier = {name for name, row in again.items() if row["earlier_run"]}
    assert earlier == set(EXPECTED) - {"notes.jpg", "cut off.jpg"}
    assert importer.external_ids() == stems


def test_the_terminal_names_the_photos_that_a_person_should_review(
    importer: Importer, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}[red].jpg").write_bytes(portraits["grace"][: 5000 + number])
    process = importer.start(folder)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors
    named = [line for line in output.splitlines() if line.startswith("damaged: ")]
    assert len(named) == 10
    assert all("[red].jpg" in line and "send a complete file" in line for line in named)
    assert "--report" in output


def test_only_a_changed_file_is_indexed_again(
    importer: Importer, photos: Path, portraits: dict[str, bytes]
) -> None:
    people = photos / "people"
    importer(people)
    changed = people / "grace grace" / "grace.jpg"
    ImageOps.flip(ImageOps.flip(portrait(portraits["grace"]))).reduce(2).save(changed)
    rows = importer(people)
    assert [name for name, row in rows.items() if not row["earlier_run"]] == ["grace.jpg"]
    assert importer.external_ids().count("grace") == 2


def test_changed_options_index_a_photo_again(importer: Importer, photos: Path) -> None:
    importer(photos / "people")
    rows = importer(photos / "people", "--external-id=folder")
    assert not any(row["earlier_run"] for row in rows.values())
    assert importer.external_ids().count("eileen:20eileen") == 2


def test_photos_are_imported_again_into_a_recreated_collection(
    importer: Importer, photos: Path
) -> None:
    importer(photos / "people")
    before = importer.external_ids()
    importer.client.delete_collection(CollectionId=importer.collection)
    rows = importer(photos / "people")
    assert not any(row["earlier_run"] for row in rows.values())
    assert importer.external_ids() == before


def test_faces_that_were_deleted_come_back_only_when_asked_for(
    importer: Importer, photos: Path
) -> None:
    importer(photos / "people")
    faces = importer.client.list_faces(CollectionId=importer.collection)["Faces"]
    ids = [face["FaceId"] for face in faces]
    importer.client.delete_faces(CollectionId=importer.collection, FaceIds=ids)
    importer(photos / "people")
    assert importer.external_ids() == []
    importer(photos / "people", "--again")
    assert len(importer.external_ids()) == len(ids)


def test_the_quality_filter_and_the_most_faces_are_passed_on(
    importer: Importer, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    left, right = (portrait(data).resize((500, 600)) for data in portraits.values())
    pair = Image.new("RGB", (1000, 600))
    pair.paste(left, (0, 0))
    pair.paste(right, (500, 0))
    folder = tmp_path / "pair"
    folder.mkdir()
    pair.save(folder / "pair.jpg")
    ImageOps.expand(left.resize((90, 108)), 150, "white").save(folder / "small.png")
    rows = importer(folder, "--max-faces=1", "--quality-filter=HIGH")
    assert (rows["pair.jpg"]["faces"], rows["pair.jpg"]["not_indexed"]) == (
        "1",
        "EXCEEDS_MAX_FACES:1",
    )
    assert rows["small.png"]["result"] == "no face good enough"
    assert "SMALL_BOUNDING_BOX:1" in rows["small.png"]["not_indexed"]


def test_a_photo_over_five_megabytes_is_sent_smaller_and_upright(
    importer: Importer, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    picture = portrait(portraits["eileen"]).resize((2400, 2400))
    grain = np.random.default_rng(0).integers(-60, 60, (2400, 2400, 3))
    noisy = Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn clockwise by 90 degrees
    folder = tmp_path / "large"
    folder.mkdir()
    noisy.transpose(Image.Transpose.ROTATE_90).save(folder / "large.jpg", quality=97, exif=exif)
    assert (folder / "large.jpg").stat().st_size > 5 * 1024 * 1024
    rows = importer(folder)
    assert (rows["large.jpg"]["faces"], rows["large.jpg"]["sent_smaller"]) == ("1", "yes")
    found = importer.client.search_faces_by_image(
        CollectionId=importer.collection, Image={"Bytes": portraits["eileen"]}
    )
    assert [match["Face"]["ExternalImageId"] for match in found["FaceMatches"]] == ["large"]


def test_an_s3_prefix_is_imported_without_a_byte_through_this_machine(
    importer: Importer, server: Server, photos: Path
) -> None:
    bucket = f"import-{uuid4().hex}"
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    for path in filter(Path.is_file, photos.rglob("*")):
        s3.upload_file(str(path), bucket, f"in/{path.relative_to(photos)}")
    s3.put_object(Bucket=bucket, Key="in/empty/", Body=b"")
    s3.put_object(Bucket=bucket, Key="out/eileen.jpg", Body=b"not in the prefix")
    source = f"s3://{bucket}/in"
    assert results(importer(source, "--external-id=path", status=1)) == EXPECTED
    assert "people:2Fgrace:20grace:2Fgrace.jpg" in importer.external_ids()
    s3.delete_object(Bucket=bucket, Key="in/cut off.jpg")
    changed = photos / "people" / "eileen eileen" / "eileen mirrored.jpg"
    s3.upload_file(str(changed), bucket, "in/people/grace grace/grace.jpg")
    again = importer(source, "--external-id=path")
    assert {name for name, row in again.items() if not row["earlier_run"]} == {
        "notes.jpg",
        "grace.jpg",
    }


def test_the_running_server_is_found_by_its_data_directory_and_s3_beside_it(
    server: Server, importer: Importer, portraits: dict[str, bytes]
) -> None:
    bucket = f"import-{uuid4().hex}"
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="grace.jpg", Body=portraits["grace"])
    del importer.environment["AWS_ENDPOINT_URL"]
    rows = importer(
        f"s3://{bucket}", "--external-id=folder", f"--data-dir={server.log.with_suffix('')}"
    )
    assert results(rows) == {"grace.jpg": "indexed"}
    assert importer.external_ids() == [bucket]


def test_links_that_go_round_in_a_circle_are_followed_once(
    importer: Importer, photos: Path
) -> None:
    people = photos / "people"
    (people / "again").symlink_to(photos)
    shutil.copy(people / "grace grace" / "grace.jpg", photos / "linked.jpg")
    (photos / "cut off.jpg").unlink()
    rows = importer(people)
    assert results(rows) == {
        **{name: result for name, result in EXPECTED.items() if name != "cut off.jpg"},
        "linked.jpg": "indexed",
    }
