"""A client's photos need no EXIF orientation: turned copies find each other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from tests.media.turning import turned

if TYPE_CHECKING:
    from tests.conftest import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    return server.client("rekognition")


@pytest.fixture
def collection(client: Any) -> Iterator[str]:
    name = f"turned-{uuid4().hex}"
    client.create_collection(CollectionId=name)
    yield name
    client.delete_collection(CollectionId=name)


def turned_photo(content: bytes, degrees: int) -> dict[str, bytes]:
    with Image.open(io.BytesIO(content)) as photo:
        pixels = turned(np.asarray(photo.convert("RGB")), degrees)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return {"Bytes": written.getvalue()}


@pytest.mark.parametrize("degrees", [90, 135, 180, 225, 270])
def test_turned_copies_find_the_upright_face_and_the_other_way_round(
    client: Any, collection: str, portraits: dict[str, bytes], degrees: int
) -> None:
    for name, content in portraits.items():
        (record,) = client.index_faces(
            CollectionId=collection, Image={"Bytes": content}, ExternalImageId=name
        )["FaceRecords"]
        copy = turned_photo(content, degrees)
        (match,) = client.search_faces_by_image(
            CollectionId=collection, Image=copy, FaceMatchThreshold=99
        )["FaceMatches"]
        assert match["Face"]["FaceId"] == record["Face"]["FaceId"]
        (stored,) = client.index_faces(
            CollectionId=collection,
            Image=copy,
            ExternalImageId=f"{name}-turned",
            DetectionAttributes=["ALL"],
        )["FaceRecords"]
        roll = stored["FaceDetail"]["Pose"]["Roll"] - record["FaceDetail"]["Pose"]["Roll"]
        assert abs((roll - degrees + 180) % 360 - 180) < 8
        (both,) = client.compare_faces(
            SourceImage={"Bytes": content}, TargetImage=copy, SimilarityThreshold=99
        )["FaceMatches"]
        assert both["Similarity"] >= 99
