"""The packages for this machine, run as Lambda would run them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image, ImageOps

from infra.packages import PackageError, Target, layers
from local.postgres import Postgres
from tests.packages import deployment as deployments
from tests.packages.deployment import Deployment

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
    return dict(layers(target, pack="dlib"))


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
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    queue = _fill_storage(url, portraits)
    made = Deployment(
        target,
        built,
        folder,
        postgres.url,
        {
            **_AWS,
            "AWS_ENDPOINT_URL": url,
            "FACEDEX_AUTH": "iam",
            "FACEDEX_PACK": "dlib",
            "FACEDEX_VIDEO_QUEUE": queue,
        },
    )
    pytestconfig.stash[_RUNS] = made
    yield made
    moto.stop()
    postgres.stop()


def _fill_storage(url: str, portraits: dict[str, bytes]) -> str:
    """Put what the sample events name into moto's S3; return the address of a queue in its SQS."""
    session = boto3.Session("testing", "testing", region_name=_AWS["AWS_REGION"])
    s3 = session.client("s3", endpoint_url=url)
    for bucket in ("photos", "uploads", "videos"):
        s3.create_bucket(Bucket=bucket)
    for name in ("eileen.jpg", "team.jpg"):
        s3.put_object(Bucket="photos", Key=name, Body=portraits["eileen"])
    s3.put_object(Bucket="uploads", Key="friends/ann.jpg", Body=portraits["eileen"])
    s3.put_object(Bucket="videos", Key="lobby.mp4", Body=_film(portraits["eileen"]))
    sqs = session.client("sqs", endpoint_url=url)
    return str(sqs.create_queue(QueueName="facedex-video")["QueueUrl"])


def _film(portrait: bytes) -> bytes:
    """Two seconds of a portrait as an MP4."""
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
    terminalreporter.line(f"{'function':26} cold start  of which init  peak memory  memory")
    for name, run in sorted(made.runs.items()):
        terminalreporter.line(
            f"{name:26} {run.answered:8.2f} s {run.started:10.2f} s {run.peak:8.0f} MiB"
            f" {deployments.ROWS[name].memory:7} MiB"
        )
