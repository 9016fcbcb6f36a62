"""Media for PutMedia: fragments of a film, as a producer sends them; and a plain client."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from facedex.media.matroska import contents, ebml
from facedex.media.matroska.parsing import Parser
from tests.media import making
from tests.media.fragments import Fragment, read_fragments
from tests.media.pictures import frames

CREDENTIALS = Credentials("testing", "testing")
REGION = "us-east-1"
RATE = 10


def numbered_film(count: int = 30, *, key_frames: int = 10, **options: Any) -> bytes:
    """Make an MP4 of frames that carry their number, with a key frame now and then."""
    codec = {"g": str(key_frames), "bf": "0", "sc_threshold": "0"}
    return making.film(making.steady(count, RATE), rate=RATE, codec_options=codec, **options)


def matroska(film: bytes, *, start: int = 0) -> tuple[bytes, list[bytes]]:
    """Return the header of a film as Matroska, and a cluster for each of its key frames.

    start: milliseconds to add to its times.
    """
    written = io.BytesIO()
    with (
        av.open(io.BytesIO(film), "r") as source,
        av.open(written, "w", format="matroska") as output,
    ):
        template = source.streams[0]
        assert isinstance(template, av.VideoStream | av.AudioStream)
        pictures = template.type == "video"
        stream = output.add_stream_from_template(template)
        for packet in source.demux(template):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    head = b""
    clusters: list[bytes] = []
    base = opened = 0
    for element in Parser().feed(written.getvalue()):
        match element.id:
            case ebml.EBML | ebml.INFO | ebml.TRACKS:
                head += element.raw
            case ebml.SEGMENT:
                head += ebml.endless(ebml.SEGMENT)
            case ebml.TIMESTAMP:
                base = ebml.unsigned(element.body)
            case ebml.SIMPLE_BLOCK | ebml.BLOCK_GROUP:
                block = contents.read_block(element)
                time = base + block.offset
                if not clusters or (block.key and pictures):
                    opened = time
                    clusters.append(contents.open_cluster(start + opened))
                offset = (time - opened).to_bytes(2, "big", signed=True)
                body = bytes([0x80 | block.track]) + offset + bytes([block.key << 7]) + block.data
                clusters[-1] += ebml.element(ebml.SIMPLE_BLOCK, body)
    return head, clusters


def put_media(endpoint: str, stream: str, body: bytes | Iterable[bytes], **headers: str) -> Any:
    """Call PutMedia with a plain HTTP client and return its response."""
    chosen = {
        "x-amzn-stream-name": stream,
        "x-amzn-fragment-timecode-type": "ABSOLUTE",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    request = AWSRequest("POST", f"{endpoint}/putMedia", headers=chosen)
    SigV4Auth(CREDENTIALS, "kinesisvideo", REGION).add_auth(request)
    return requests.post(
        request.url or "", data=body, headers=dict(request.headers.items()), timeout=30
    )


def acknowledgements(response: Any) -> list[dict[str, Any]]:
    """Return the acknowledgements in a response of PutMedia."""
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def numbers(found: Iterable[Fragment]) -> list[int]:
    """Return the numbers that the frames of `numbered_film` carry."""
    return [
        making.number_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
        for fragment in found
        for _, frame in frames(fragment)
    ]


def read(payload: Any) -> Iterator[Fragment]:
    """Yield the fragments of a GetMedia response as they arrive."""
    # boto3's body returns no bytes until it has all that were requested.
    return read_fragments(iter(lambda: payload.read(1), b""))
