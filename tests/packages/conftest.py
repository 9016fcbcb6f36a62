"""Fixtures that run the packages for this machine as Lambda does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import boto3
import numpy as np
import pytest
from PIL import Image, ImageOps

from facedex_local.aws.kinesis_video.endpoint import KinesisVideo
from facedex_local.aws.kinesis_video.streams import Streams
from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.postgres.cluster import Postgres
from facedex_models.manifests import ATTRIBUTES
from facedex_models.manifests import DEFAULT as PACK
from infra.packages import PackageError, Target, layers
from tests.packages import deployment as deployments
from tests.packages import lambda_service
from tests.packages.deployment import Deployment

DATA_STREAM, VIDEO_STREAM = "seen-at-door", "door"

_RUNS = pytest.StashKey[Deployment]()
_AWS = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}


@pytest.fixture(scope="session")
def target() -> Target:
    try:
        return Target.of_this_machine()
    except PackageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def built(target: Target) -> dict[str, Path]:
    return dict(layers(target, packs=(PACK, ATTRIBUTES)))


@pytest.fixture(scope="session")
def deployment(
    target: Target,
    built: dict[str, Path],
    portraits: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("lambda")
    postgres = Postgres(folder)
    postgres.start()
    moto = Moto()
    aws = Listener(
        KinesisVideo(moto, Streams(moto, most_bytes=64 << 20)), host="127.0.0.1", port=0, threads=8
    )
    aws.start()
    film = _film(portraits["eileen"])
    runtime = folder / "runtime"
    lambda_service.copy_runtime(runtime)
    _fill_storage(aws.url, portraits, film)
    made = Deployment(
        target,
        built,
        folder,
        postgres.url,
        {
            **_AWS,
            "AWS_ENDPOINT_URL": aws.url,
            "FACEDEX_AUTH": "iam",
            "FACEDEX_CONSOLE": "{}",
            "FACEDEX_DEPLOYMENT": "facedex-test",
            "FACEDEX_METRICS": "true",
            "FACEDEX_PACK": PACK,
            "FACEDEX_VIDEO_QUEUE": _make_queue(aws.url, "facedex-video"),
            "FACEDEX_STREAM_QUEUE": _make_queue(aws.url, "facedex-streams"),
            "FACEDEX_STREAM_SECONDS": "5",
        },
        _make_streams(aws.url),
        film,
        lambda_service.this_python(),
        runtime,
    )
    pytestconfig.stash[_RUNS] = made
    yield made
    aws.stop()
    postgres.stop()


def _session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name=_AWS["AWS_REGION"])


def _make_queue(url: str, name: str) -> str:
    """Return the URL of a new queue in moto's SQS."""
    return str(_session().client("sqs", endpoint_url=url).create_queue(QueueName=name)["QueueUrl"])


def _make_streams(url: str) -> dict[str, str]:
    """Create the streams that the sample events name; return those whose names differ here."""
    _session().client("kinesis", endpoint_url=url).create_stream(
        StreamName=DATA_STREAM, ShardCount=1
    )
    video = _session().client("kinesisvideo", endpoint_url=url)
    made = video.create_stream(StreamName=VIDEO_STREAM, DataRetentionInHours=1)
    return {deployments.VIDEO_STREAM: str(made["StreamARN"])}


def _fill_storage(url: str, portraits: dict[str, bytes], film: bytes) -> None:
    """Put the objects that the sample events name into moto's S3."""
    s3 = _session().client("s3", endpoint_url=url)
    for bucket in ("photos", "uploads", "videos"):
        s3.create_bucket(Bucket=bucket)
    for name in ("eileen.jpg", "team.jpg"):
        s3.put_object(Bucket="photos", Key=name, Body=portraits["eileen"])
    s3.put_object(Bucket="uploads", Key="friends/ann.jpg", Body=portraits["eileen"])
    s3.put_object(Bucket="videos", Key="lobby.mp4", Body=film)


def _film(portrait: bytes) -> bytes:
    """Return two seconds of a portrait as an MP4."""
    with Image.open(io.BytesIO(portrait)) as opened:
        picture = ImageOps.pad(opened.convert("RGB"), (640, 480))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height = picture.size
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        for number in range(20):
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return buffer.getvalue()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    made = config.stash.get(_RUNS, None)
    if made is None or not made.runs:
        return
    terminalreporter.section("functions on their packages", sep="-")
    terminalreporter.line(
        f"{'function':26} cold start  of which init  processor  peak memory  memory"
    )
    stream = f"a stream is had for {made.settings['FACEDEX_STREAM_SECONDS']} s"
    for name, run in sorted(made.runs.items()):
        terminalreporter.line(
            f"{name:26} {run.answered:8.2f} s {run.started:10.2f} s {run.worked:9.2f} s"
            f" {run.peak:8.0f} MiB"
            f" {deployments.ROWS[name].memory:7} MiB"
            f"{'  ' + stream if name == 'run_stream_processor' else ''}"
        )
