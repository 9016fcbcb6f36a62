"""Searching with every face of a photo in one call, an extension of the REST routes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from tests.e2e.plain_http import Rest, inline

Portraits = dict[str, bytes]


def beside(*photos: bytes) -> bytes:
    """Return one JPEG of the photos side by side, each a little smaller than the previous one."""
    pictures = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos]
    for index, picture in enumerate(pictures):
        picture.thumbnail((480 - 80 * index, 480 - 80 * index))
    group = Image.new("RGB", (sum(each.width for each in pictures), 480), "white")
    left = 0
    for picture in pictures:
        group.paste(picture, (left, 0))
        left += picture.width
    buffer = io.BytesIO()
    group.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def test_searching_with_every_face_of_a_photo(
    rest: Rest, collection: str, portraits: Portraits
) -> None:
    for name in ("eileen", "grace"):
        rest.good("IndexFaces", portraits[name], CollectionId=collection, ExternalImageId=name)
    group = beside(portraits["grace"], portraits["eileen"])
    path = f"/v1/collections/{collection}/search"
    status, answer = rest.ask("POST", path, group, "image/jpeg", {"faces": "all"})
    assert status == 200
    assert set(answer) == {"SearchedFaces", "UnsearchedFaces", "FaceModelVersion"}
    named = [
        [match["Face"]["ExternalImageId"] for match in face["FaceMatches"]]
        for face in answer["SearchedFaces"]
    ]
    assert sorted(named) == [["eileen"], ["grace"]]
    widths = [face["SearchedFaceBoundingBox"]["Width"] for face in answer["SearchedFaces"]]
    assert widths == sorted(widths, reverse=True)
    # The largest face's result equals the result of AWS's operation.
    by_json = json.dumps({"Image": inline(group)}).encode()
    _, largest = rest.ask("POST", path, by_json, query={"faces": "largest"})
    assert largest == {**answer["SearchedFaces"][0], "FaceModelVersion": answer["FaceModelVersion"]}
    assert rest.ask("POST", path, by_json) == (200, largest)
    assert rest.ask("POST", path, by_json, query={"faces": "all"}) == (200, answer)


def test_searching_with_every_face_keeps_the_options_of_the_operation(
    rest: Rest, collection: str, portraits: Portraits
) -> None:
    for copy in ("a", "b"):
        rest.good("IndexFaces", portraits["grace"], CollectionId=collection, ExternalImageId=copy)
    path = f"/v1/collections/{collection}/search"
    query = {"faces": "all", "MaxFaces": "1", "FaceMatchThreshold": "99"}
    group = beside(portraits["grace"], portraits["eileen"])
    _, answer = rest.ask("POST", path, group, "image/jpeg", query)
    assert sorted(len(face["FaceMatches"]) for face in answer["SearchedFaces"]) == [0, 1]
    tiny = Image.open(io.BytesIO(portraits["grace"])).resize((120, 120))
    buffer = io.BytesIO()
    tiny.save(buffer, "PNG")
    _, answer = rest.ask(
        "POST", path, buffer.getvalue(), "image/png", {"faces": "all", "QualityFilter": "HIGH"}
    )
    reasons = [face["Reasons"] for face in answer["UnsearchedFaces"]]
    assert (answer["SearchedFaces"], len(reasons)) == ([], 1)
    assert "SMALL_BOUNDING_BOX" in reasons[0]


def test_searching_with_every_face_of_a_photo_without_one(rest: Rest, collection: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), "steelblue").save(buffer, "JPEG")
    path = f"/v1/collections/{collection}/search"
    _, answer = rest.ask("POST", path, buffer.getvalue(), "image/jpeg", {"faces": "all"})
    assert answer["SearchedFaces"] == answer["UnsearchedFaces"] == []
    code, _ = rest.bad("POST", path, buffer.getvalue(), "image/jpeg")
    assert code == "InvalidParameterException"


def test_the_faces_option_is_checked(rest: Rest, collection: str) -> None:
    path = f"/v1/collections/{collection}/search"
    for query in ("faces=some", "faces=", "faces=all&faces=all"):
        assert rest.bad("POST", f"{path}?{query}", b"{}")[0] == "ValidationException"
    elsewhere = rest.bad("POST", "/v1/faces/detect?faces=all", b"", "image/jpeg")
    assert elsewhere[0] == "ValidationException"
    gone = rest.bad("POST", "/v1/collections/nowhere/search?faces=all", b"x", "image/jpeg")
    assert gone[0] == "ResourceNotFoundException"


def test_the_aws_api_has_no_extensions(rest: Rest, collection: str, portraits: Portraits) -> None:
    image = inline(portraits["grace"])
    body = json.dumps({"CollectionId": collection, "faces": "all", "Image": image})

    def ask(operation: str) -> Any:
        target = {"X-Amz-Target": f"RekognitionService.{operation}"}
        rest.connection.request("POST", "/?faces=all", body=body, headers=target)
        return json.loads(rest.connection.getresponse().read())

    assert ask("SearchAllFacesByImage")["__type"] == "UnknownOperationException"
    assert set(ask("SearchFacesByImage")) == {
        "SearchedFaceBoundingBox",
        "SearchedFaceConfidence",
        "FaceMatches",
        "FaceModelVersion",
    }


def test_every_face_of_a_couple(rest: Rest, collection: str, data: Path) -> None:
    photo = (data / "groups" / "couple.jpg").read_bytes()
    indexed = rest.good("IndexFaces", photo, CollectionId=collection)["FaceRecords"]
    assert len(indexed) == 2
    path = f"/v1/collections/{collection}/search"
    _, answer = rest.ask("POST", path, photo, "image/jpeg", {"faces": "all"})
    found = [face["FaceMatches"][0]["Face"]["FaceId"] for face in answer["SearchedFaces"]]
    assert found == [record["Face"]["FaceId"] for record in indexed]
