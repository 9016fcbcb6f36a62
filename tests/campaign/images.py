"""Damaged JPEGs and PNGs: each gets an answer or a modelled error, within a bound."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from tests.campaign.mutations import mutate
from tests.campaign.stage import Attempt, Attempts, Stage
from tests.campaign.tally import Tally
from tests.e2e.modelled import known_errors

BOUND = 30.0  # maximum seconds until an answer
_SIDE = 240  # pixels of the undamaged pictures
_COLLECTION = "images"


class Images(Attempts):
    """Mutated pictures, sent to every operation that decodes pictures."""

    name = "images"
    share = 3

    @contextmanager
    def open(self, stage: Stage, tally: Tally) -> Iterator[Attempt]:
        originals = encodings(stage.portraits)
        with stage.server(tally) as server:
            config = Config(
                retries={"total_max_attempts": 1}, read_timeout=BOUND, max_pool_connections=32
            )
            rekognition = server.client("rekognition", config=config)
            rekognition.create_collection(CollectionId=_COLLECTION)

            def attempt(number: int) -> None:
                random = stage.random(number)
                damaged = mutate(random.choice(originals), random, originals)
                _ask(rekognition, random, damaged, number, tally)

            yield attempt
            # The server still recognises faces.
            image = {"Bytes": stage.portraits["grace"]}
            if len(rekognition.detect_faces(Image=image)["FaceDetails"]) != 1:
                tally.surprise("After the damaged pictures, no face is found in a portrait.")
            tally.check()


def encodings(portraits: Mapping[str, bytes]) -> list[bytes]:
    """Return small portraits in many encodings."""
    found = []
    for portrait in portraits.values():
        picture = Image.open(io.BytesIO(portrait)).convert("RGB")
        picture.thumbnail((_SIDE, _SIDE))
        turned = Image.Exif()
        turned[0x0112] = 6  # orientation
        for mode, kind, options in (
            ("RGB", "JPEG", {"quality": 85}),
            ("RGB", "JPEG", {"progressive": True, "exif": turned, "comment": b"a comment"}),
            ("L", "JPEG", {"quality": 60}),
            ("CMYK", "JPEG", {}),
            ("RGB", "PNG", {"dpi": (72, 72), "exif": turned}),
            ("P", "PNG", {}),
            ("RGBA", "PNG", {}),
            ("1", "PNG", {}),
        ):
            buffer = io.BytesIO()
            picture.convert(mode).save(buffer, kind, **options)
            found.append(buffer.getvalue())
    return found


def _ask(rekognition: Any, random: Random, damaged: bytes, number: int, tally: Tally) -> None:
    image = {"Bytes": damaged}
    searched = {"CollectionId": _COLLECTION, "Image": image}
    operations: dict[str, Callable[[], object]] = {
        "DetectFaces": lambda: rekognition.detect_faces(Image=image, Attributes=["ALL"]),
        "IndexFaces": lambda: rekognition.index_faces(**searched),
        "SearchFacesByImage": lambda: rekognition.search_faces_by_image(**searched),
        "SearchUsersByImage": lambda: rekognition.search_users_by_image(**searched),
        "CompareFaces": lambda: rekognition.compare_faces(SourceImage=image, TargetImage=image),
    }
    name = random.choice(sorted(operations))
    began = time.monotonic()
    try:
        operations[name]()
    except ClientError as error:
        judge(name, error, time.monotonic() - began, number, tally, damaged)
    else:
        tally.answer(time.monotonic() - began)


def judge(
    operation: str, error: ClientError, seconds: float, number: int, tally: Tally, sent: bytes
) -> None:
    """Count an error answer, and report one that the service model does not contain."""
    code = error.response["Error"].get("Code", "")
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    tally.refuse(code, seconds)
    if not 400 <= status < 500 or code not in known_errors(operation):
        tally.surprise(f"{operation} answered {status} {code}.", number, sent)
