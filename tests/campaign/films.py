"""Damaged films: each job ends, and a failed job has a reason; each live push ends."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import av
import requests
from botocore.config import Config

from tests.campaign.mutations import mutate
from tests.campaign.stage import Attempt, Attempts, Stage
from tests.campaign.tally import Tally
from tests.e2e.films import Studio, moving
from tests.media.kinesis import matroska, put_media

BOUND = 120.0  # maximum seconds until the end of a job
_LIVE = 0.25  # share of the attempts that are pushed as a live stream


class Films(Attempts):
    """Mutated films, stored in S3 and searched, or pushed to a Kinesis video stream."""

    name = "films"
    share = 3
    clients = 3

    @contextmanager
    def open(self, stage: Stage, tally: Tally) -> Iterator[Attempt]:
        originals = _originals(dict(stage.portraits))
        with stage.server(tally) as server:
            studio = Studio(server, dict(stage.portraits))
            config = Config(retries={"total_max_attempts": 1}, read_timeout=30)
            studio.rekognition = server.client("rekognition", config=config)
            video = server.client("kinesisvideo")

            def attempt(number: int) -> None:
                random = stage.random(number)
                damaged = mutate(random.choice(originals), random, originals)
                if random.random() < _LIVE:
                    _push(video, f"camera-{number}", damaged, tally)
                    return
                place = studio.put(f"film-{number}", damaged)
                if random.random() < 0.5:
                    job_id, get = studio.start(place), studio.rekognition.get_face_search
                else:
                    started = studio.rekognition.start_face_detection(Video=place)
                    job_id, get = started["JobId"], studio.rekognition.get_face_detection
                _wait(partial(get, JobId=job_id), number, damaged, tally)

            yield attempt
            job = studio.start(studio.put("whole", originals[0]))
            if (answer := studio.wait(job))["JobStatus"] != "SUCCEEDED" or not answer["Persons"]:
                tally.surprise("After the damaged films, an undamaged film is not searched.")
            tally.check()


def _originals(portraits: dict[str, bytes]) -> list[bytes]:
    """Return short films: MP4 (two codecs), fragmented MP4, Matroska, and a live Matroska."""
    short = moving(portraits, "grace", seconds=1, rate=5, codec_options={"g": "3"})
    head, clusters = matroska(short)
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return [
        short,
        _remux(short, "matroska"),
        _remux(short, "mp4", fragmented),
        _remux(short, "mov"),
        head + b"".join(clusters),
    ]


def _remux(film: bytes, container: str, options: dict[str, str] | None = None) -> bytes:
    written = io.BytesIO()
    with (
        av.open(io.BytesIO(film), "r") as source,
        av.open(written, "w", format=container, options=options or {}) as output,
    ):
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return written.getvalue()


def _wait(get: Any, number: int, damaged: bytes, tally: Tally) -> None:
    began = time.monotonic()
    while time.monotonic() < began + BOUND:
        answer = get()
        seconds = time.monotonic() - began
        match answer["JobStatus"]:
            case "SUCCEEDED":
                tally.answer(seconds)
                return
            case "FAILED":
                tally.refuse("job FAILED", seconds)
                if not answer.get("StatusMessage"):
                    tally.surprise("A job failed without a reason.", number, damaged)
                return
        time.sleep(0.2)
    tally.surprise(f"A job did not end within {BOUND:.0f} s.", number, damaged)


def _push(video: Any, stream: str, damaged: bytes, tally: Tally) -> None:
    made = video.create_stream(StreamName=stream, DataRetentionInHours=1)
    endpoint = video.get_data_endpoint(StreamARN=made["StreamARN"], APIName="PUT_MEDIA")
    began = time.monotonic()
    try:
        response = put_media(endpoint["DataEndpoint"], stream, damaged)
    except requests.ConnectionError:  # as Kinesis does with media that it cannot read
        tally.refuse("closed")
        return
    seconds = time.monotonic() - began
    if '"ERROR"' in response.text or response.status_code >= 400:
        tally.refuse(f"PutMedia {response.status_code}", seconds)
    else:
        tally.answer(seconds)
    if response.status_code >= 500:
        tally.surprise(f"PutMedia answered {response.status_code}.", material=damaged)
    video.delete_stream(StreamARN=made["StreamARN"])
