"""The demo's API calls: index two portraits, find them in altered copies and in a user's photo."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import requests
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

COLLECTION: Final = "facedex-demo"
_THRESHOLD: Final = 80.0  # Rekognition's own default
_MOST_BYTES: Final = 5 * 1024 * 1024  # maximum size of an image in a request
_PATIENCE: Final = 60  # seconds
_LONGEST_SIDE: Final = 2400  # pixels, of a photo that has to be reduced

Picture: TypeAlias = Image.Image


@dataclass(frozen=True, slots=True)
class Found:
    """A face in a picture.

    Attributes:
        box: left, top, width, height as ratios of the picture.
        key: key of the matching portrait, or None.
        similarity: similarity of the match, 0 to 100.
    """

    box: tuple[float, float, float, float]
    key: str | None
    similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one picture.

    Attributes:
        picture: the picture, upright.
        title: description of the picture.
        expected: key of the portrait from which it was made, or None for the user's photo.
        faces: the faces that were indexed or searched.
        milliseconds: duration of the call, HTTP included.
    """

    picture: Picture
    title: str
    expected: str | None
    faces: list[Found]
    milliseconds: float


ALTERATIONS: Final[Mapping[str, Callable[[Picture], Picture]]] = {
    "mirrored": ImageOps.mirror,
    "turned 15°": lambda picture: picture.rotate(
        15, Image.Resampling.BICUBIC, expand=True, fillcolor="#d8dce2"
    ),
    "half size": lambda picture: picture.resize(
        (picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS
    ),
    "JPEG quality 40": lambda picture: open_picture(encode(picture, quality=40)),
}


def begin(client: RekognitionClient) -> None:
    """Create an empty collection for the demo; delete one of an earlier demo."""
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_collection(CollectionId=COLLECTION)
    client.create_collection(CollectionId=COLLECTION)


def index(client: RekognitionClient, portraits: Mapping[str, bytes]) -> Iterator[Result]:
    """Index each portrait under its key."""
    for key, data in portraits.items():
        answer, took = _timed(
            client.index_faces,
            CollectionId=COLLECTION,
            Image={"Bytes": data},
            ExternalImageId=key,
            MaxFaces=1,
        )
        faces = [Found(_box(each["Face"]["BoundingBox"]), key) for each in answer["FaceRecords"]]
        yield Result(open_picture(data), "indexed", key, faces, took)


def search(client: RekognitionClient, portraits: Mapping[str, bytes]) -> Iterator[Result]:
    """Search the collection with altered copies of each portrait."""
    for key, data in portraits.items():
        original = open_picture(data)
        for title, alter in ALTERATIONS.items():
            copy = alter(original)
            content = encode(copy, quality=40 if "JPEG" in title else 95)
            answer, took = _timed(
                client.search_faces_by_image,
                CollectionId=COLLECTION,
                Image={"Bytes": content},
                FaceMatchThreshold=_THRESHOLD,
                MaxFaces=1,
            )
            box = _box(answer["SearchedFaceBoundingBox"])
            yield Result(copy, title, key, [_best(box, answer["FaceMatches"])], took)


def _reason(answer: requests.Response) -> str:
    """Return the message of an error of the API, or the text of another one."""
    try:
        return str(answer.json()["Message"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        return answer.text


def search_everyone(url: str, title: str, content: bytes) -> Result:
    """Search the collection with every face of a photo; nothing is stored.

    This calls the REST route, because SearchFacesByImage uses the largest face only.

    Args:
        url: URL of the server.
        title: name of the photo.
        content: JPEG or PNG.

    Raises:
        requests.RequestException: if the server does not answer or returns an error.
    """
    started = time.perf_counter()
    with requests.Session() as session:
        session.trust_env = False  # the server is on this machine, so no proxy is used
        answer = session.post(
            f"{url}/v1/collections/{COLLECTION}/search",
            params={"faces": "all", "FaceMatchThreshold": str(_THRESHOLD), "MaxFaces": "1"},
            data=content,
            headers={"Content-Type": "image/jpeg" if content[:2] == b"\xff\xd8" else "image/png"},
            timeout=_PATIENCE,
        )
    took = (time.perf_counter() - started) * 1000
    if not answer.ok:
        raise requests.HTTPError(f"{title}: {_reason(answer)}", response=answer)
    faces = [
        _best(_box(found["SearchedFaceBoundingBox"]), found["FaceMatches"])
        for found in answer.json()["SearchedFaces"]
    ]
    return Result(open_picture(content), title, None, faces, took)


def open_picture(data: bytes) -> Picture:
    """Decode a picture and turn it upright, in RGB.

    Raises:
        OSError: if the data is not a picture.
    """
    with Image.open(io.BytesIO(data)) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def encode(picture: Picture, *, quality: int) -> bytes:
    """Encode a picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def fit(data: bytes) -> bytes:
    """Convert the user's photo for a request: JPEG or PNG of at most 5 MB.

    Raises:
        OSError: if the data is not a readable picture.
    """
    with Image.open(io.BytesIO(data)) as picture:
        if picture.format in ("JPEG", "PNG") and len(data) <= _MOST_BYTES:
            return data
    smaller = open_picture(data)
    smaller.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return encode(smaller, quality=90)


def _best(box: tuple[float, float, float, float], matches: Any) -> Found:
    if not matches:
        return Found(box, None)
    best = max(matches, key=lambda match: match["Similarity"])
    return Found(box, best["Face"]["ExternalImageId"], best["Similarity"])


def _box(document: Any) -> tuple[float, float, float, float]:
    return (document["Left"], document["Top"], document["Width"], document["Height"])


def _timed(call: Callable[..., Any], **members: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    answer = call(**members)
    return answer, (time.perf_counter() - started) * 1000
