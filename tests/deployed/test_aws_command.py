"""The story of a collection with the ``aws`` command, as docs/deploy.md shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.deployed.account import Stack, wait_for


def test_the_story_of_a_collection_by_the_aws_command(
    stack: Stack, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in portraits.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)

    def faces(*arguments: str, query: str) -> list[str]:
        return _aws(stack, tmp_path, "rekognition", *arguments, "--query", query).split()

    here = "--collection-id=typed"
    found = "FaceMatches[].Face.ExternalImageId"
    assert faces("create-collection", here, query="StatusCode") == ["200"]
    photo = "--image-bytes=fileb://eileen.jpg"
    faces("index-faces", here, photo, "--external-image-id=eileen", query="FaceRecords")
    assert faces("search-faces-by-image", here, photo, query=found) == ["eileen"]
    photo = "--image-bytes=fileb://grace.jpg"
    assert faces("search-faces-by-image", here, photo, query=found) == []
    _aws(stack, tmp_path, "s3", "cp", "grace.jpg", f"s3://{stack.uploads}/typed/grace.jpg")
    wait_for(
        lambda: faces("search-faces-by-image", here, photo, query=found) == ["grace"], "the upload"
    )
    listed = faces("list-faces", here, query="Faces[].ExternalImageId")
    assert sorted(listed) == ["eileen", "grace"]
    assert faces("delete-collection", here, query="StatusCode") == ["200"]


def _aws(stack: Stack, folder: Path, service: str, *arguments: str) -> str:
    """Return what the command prints."""
    endpoint = stack.url if service == "rekognition" else stack.emulator.url
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("aws")),
            *("--endpoint-url", endpoint, "--output", "text"),
            *(service, *arguments),
        ],
        cwd=folder,
        env=stack.emulator.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout
