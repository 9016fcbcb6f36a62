"""Similarity can be recomputed from the stored vectors and the pack's calibration."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.e2e.tables import Tables


def test_similarities_follow_from_the_stored_vectors_and_the_packs_calibration(
    server: Server, tables: Tables, data: Path, pack_directory: Path
) -> None:
    client = server.client("rekognition")
    name = f"similarity-{uuid4().hex}"
    client.create_collection(CollectionId=name)
    for photo in sorted((data / "pairs").glob("*.jpg")):
        client.index_faces(
            CollectionId=name,
            Image={"Bytes": photo.read_bytes()},
            ExternalImageId=photo.stem,
            MaxFaces=1,
        )
    rows = tables.rows(
        "SELECT face_id::text, vector::real[] FROM faces JOIN collections USING (collection_key)"
        f" WHERE collection_id = '{name}'"
    )
    ids = [face_id for face_id, _ in rows]
    vectors = np.array([vector for _, vector in rows], np.float64)
    cosines = vectors @ vectors.T
    # The definition: 100 - Similarity is the number of false matches in 10,000 comparisons. The
    # log10 of the rate is linear between the knots in the pack.
    table = tomllib.loads((pack_directory / "pack.toml").read_text())["calibration"]
    knots, rates = np.array(table["cosine"]), np.log10(table["false_match_rate"])
    expected = np.clip(100 - 10_000 * 10 ** np.interp(cosines, knots, rates), 0, 100)
    between = 0
    for row, face_id in enumerate(ids):
        matches = client.search_faces(CollectionId=name, FaceId=face_id, FaceMatchThreshold=0)
        found = {each["Face"]["FaceId"]: each["Similarity"] for each in matches["FaceMatches"]}
        assert found.keys() == set(ids) - {face_id}
        for column, other in enumerate(ids):
            if other != face_id:
                assert found[other] == pytest.approx(expected[row, column], abs=0.05)
                between += 0 < expected[row, column] < 100
        # Also the similarities themselves, in single precision as clients read them.
        own = sorted(each for each in found.values() if 0 < each < 100)[-3:]
        for threshold in (80, 90, 99, *own):
            held = client.search_faces(
                CollectionId=name, FaceId=face_id, FaceMatchThreshold=threshold
            )["FaceMatches"]
            wanted = {each for each, similarity in found.items() if similarity >= threshold}
            assert {match["Face"]["FaceId"] for match in held} == wanted
    client.delete_collection(CollectionId=name)
    assert len(ids) >= 20
    # Otherwise the comparisons would be trivial.
    assert between > 2 * len(ids)


def blurred(photo: bytes, radius: float) -> dict[str, bytes]:
    written = io.BytesIO()
    with Image.open(io.BytesIO(photo)) as opened:
        opened.convert("RGB").filter(ImageFilter.GaussianBlur(radius)).save(written, "PNG")
    return {"Bytes": written.getvalue()}


def test_the_similarity_of_an_answer_is_a_threshold_that_its_face_reaches(
    server: Server, portraits: dict[str, bytes]
) -> None:
    client = server.client("rekognition")
    users = {"CollectionId": f"similarity-{uuid4().hex}", "UserId": "grace"}
    collection = {"CollectionId": users["CollectionId"]}
    sharp = {"Bytes": portraits["grace"]}
    client.create_collection(**collection)
    (record,) = client.index_faces(**collection, Image=sharp)["FaceRecords"]
    client.create_user(**users)
    client.associate_faces(**users, FaceIds=[record["Face"]["FaceId"]])
    for step in range(9):
        photo = blurred(portraits["grace"], 6.25 + step / 4)
        images = {"SourceImage": sharp, "TargetImage": photo}
        (compared,) = client.compare_faces(**images, SimilarityThreshold=0)["FaceMatches"]
        lowest = compared["Similarity"]
        assert 0 < lowest < 100
        again = client.compare_faces(**images, SimilarityThreshold=lowest)
        assert again["FaceMatches"] == [compared]
        above = client.compare_faces(**images, SimilarityThreshold=next_above(lowest))
        assert above["FaceMatches"] == []

        search = {**collection, "Image": photo, "MaxFaces": 1}
        (found,) = client.search_faces_by_image(**search, FaceMatchThreshold=0)["FaceMatches"]
        search["FaceMatchThreshold"] = found["Similarity"]
        assert client.search_faces_by_image(**search)["FaceMatches"] == [found]

        (new,) = client.index_faces(**collection, Image=photo, QualityFilter="NONE")["FaceRecords"]
        request = {**users, "FaceIds": [new["Face"]["FaceId"]]}
        refused = client.associate_faces(**request, UserMatchThreshold=100)
        (reason,) = refused["UnsuccessfulFaceAssociations"]
        accepted = client.associate_faces(**request, UserMatchThreshold=reason["Confidence"])
        assert [face["FaceId"] for face in accepted["AssociatedFaces"]] == request["FaceIds"]
        client.disassociate_faces(**request)
        client.delete_faces(**collection, FaceIds=request["FaceIds"])
    client.delete_collection(**collection)


def next_above(similarity: float) -> float:
    """Return the next larger number of single precision."""
    return float(np.nextafter(np.float32(similarity), np.float32(101)))
