"""What is left of a visit to the console on the reader's disk."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Server
from tests.e2e.browser import opened


def test_a_browser_writes_no_names_and_no_faces_to_its_disk(
    server: Server, photos: dict[str, Path], tmp_path: Path
) -> None:
    rekognition = server.client("rekognition")
    rekognition.create_collection(CollectionId="traces")
    name, photo = min(photos.items())
    faces = []
    for number in range(2):
        answer = rekognition.index_faces(
            CollectionId="traces",
            Image={"Bytes": photo.read_bytes() + bytes([number])},
            ExternalImageId=f"traced-{name}",
        )
        faces += [record["Face"]["FaceId"] for record in answer["FaceRecords"]]
    assert len(faces) == 2
    profile = tmp_path / "profile"
    with opened(profile=profile) as context:
        page = context.new_page()
        page.goto(f"{server.url}/console/#/collections/traces")
        page.get_by_text(faces[0]).wait_for()
        page.get_by_role("link", name="Duplicates").click()
        page.get_by_text("Groups: 1 ·").wait_for()
        page.get_by_text(f"traced-{name}").first.wait_for()
        # Until the browser has written what it keeps.
        page.wait_for_timeout(1000)
    rekognition.delete_collection(CollectionId="traces")
    written = b"".join(each.read_bytes() for each in profile.rglob("*") if each.is_file())
    assert b"Facedex" in written  # the console itself is kept
    for trace in (f"traced-{name}", *faces):
        assert trace.encode() not in written
