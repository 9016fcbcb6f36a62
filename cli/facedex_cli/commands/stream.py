"""``facedex stream``: push video into a stream, and watch the people who are recognised in it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.live import Live

from facedex_cli import endpoints
from facedex_cli.commands import where
from facedex_cli.push.display import describe, shown
from facedex_cli.stream_errors import ServiceLost, StreamError
from facedex_cli.watch import records, watching
from facedex_cli.watch.consuming import Consumer
from facedex_cli.watch.owners import Owners, own_frames
from facedex_cli.watch.presence import Presence

_STATUS: Final = 5.0  # seconds between requests for the processor's status


@click.group()
def stream() -> None:
    """Search live video for the people of a collection."""


@stream.command()
@click.argument("source", metavar="FILE|rtsp://…|/dev/video0")
@click.option(
    "--stream", "name", required=True, metavar="NAME", help="The stream; created if missing."
)
@click.option("--loop", is_flag=True, help="Repeat a video file without end.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 20),
    help="Play a video file faster or slower.",
)
@click.option(
    "--encode",
    is_flag=True,
    help="Re-encode with two key frames per second: less delay, more CPU time."
    " Always done if the source is not H.264, if its key frames are too far apart, or if players"
    " turn, stretch or cut its pictures.",
)
@click.option(
    "--transport",
    default="tcp",
    show_default=True,
    type=click.Choice(["tcp", "udp"]),
    help="Transport of RTSP.",
)
@click.option(
    "--retention",
    default=1,
    show_default=True,
    type=click.IntRange(0, 87600),
    metavar="HOURS",
    help="Retention period of a new stream.",
)
@click.option("--duration", type=click.FloatRange(0), metavar="SECONDS", help="Stop after this.")
@where.url
@where.region
@where.running
def push(
    source: str,
    name: str,
    loop: bool,
    speed: float,
    encode: bool,
    transport: str,
    retention: int,
    duration: float | None,
    url: str | None,
    region: str | None,
    data_dir: Path,
) -> None:
    """Push a video file or a camera into a Kinesis video stream, in real time.

    H.264 is sent unchanged. If the camera or the service is interrupted, the command reconnects.
    With a URL of Kinesis Video Streams as --url, it pushes to Amazon, with your own credentials.

    \b
    facedex stream push lobby.mp4 --stream door --loop
    facedex stream push rtsp://camera.local/live --stream door
    """
    # Imported here, so that other commands do not load PyAV.
    from facedex_cli.push.pushing import Push
    from facedex_cli.push.service import Service
    from facedex_cli.push.sources import Source

    origin = Source(source, transport)
    if origin.live and (loop or speed != 1.0):
        raise click.UsageError("--loop and --speed are for video files, not for cameras.")
    try:
        service = Service(name, retention=retention, url=url, data_dir=data_dir, region=region)
        with shown(origin.name, name) as show:
            pushed = Push(
                origin,
                service,
                loop=loop,
                speed=speed,
                encode=encode,
                duration=duration,
                show=show,
            )
            with suppress(KeyboardInterrupt):
                pushed.run()
    except ServiceLost as error:
        raise click.ClickException(
            f"{error} Start the server with: facedex up, or specify another with --url."
        ) from None
    except StreamError as error:
        raise click.ClickException(str(error)) from None
    click.echo(describe(pushed.progress))


@stream.command()
@click.argument("processor", metavar="NAME")
@click.option("--json", "as_lines", is_flag=True, help="Print each record as a line of JSON.")
@click.option("--duration", type=click.FloatRange(0), metavar="SECONDS", help="Stop after this.")
@where.url
@where.region
@where.running
def watch(
    processor: str,
    as_lines: bool,
    duration: float | None,
    url: str | None,
    region: str | None,
    data_dir: Path,
) -> None:
    """Show the people that a stream processor recognises, live.

    NAME is the name of the stream processor. Its records are read from its data stream, as by any
    other consumer.
    """
    end = time.monotonic() + duration if duration is not None else None
    with _plain_errors():
        there = endpoints.find("rekognition", url, data_dir, region)
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        rekognition = there.client("rekognition", config, own=True)
        described = rekognition.describe_stream_processor(Name=processor)
        consumer = Consumer(there.client("kinesis", config), _data_stream(described, processor))
        source = described.get("Input", {}).get("KinesisVideoStream", {}).get("Arn", "")
        owners = Owners(rekognition, processor)
        frames = _until(own_frames(consumer.records(), owners, source), end)
        if as_lines:
            _print(frames)
        else:
            _show(frames, processor, rekognition, str(described["Status"]))


def _data_stream(described: Mapping[str, Any], processor: str) -> str:
    """Return the name of a processor's data stream, which a search for faces always has.

    Raises:
        StreamError: if there is none, as at Amazon for a processor that detects labels.
    """
    arn: str | None = described.get("Output", {}).get("KinesisDataStream", {}).get("Arn")
    if arn is None:
        raise StreamError(
            f"The stream processor {processor} writes to no Kinesis data stream, from which its"
            " records could be read; only processors that search for faces have one."
        )
    return arn.rpartition("/")[2]


def _until(
    frames: Iterator[list[records.Frame]], end: float | None
) -> Iterator[list[records.Frame]]:
    for new in frames:
        yield new
        if end is not None and time.monotonic() >= end:
            return


def _print(frames: Iterator[list[records.Frame]]) -> None:
    for new in frames:
        for frame in new:
            click.echo(json.dumps(frame.record, separators=(",", ":")))
        sys.stdout.flush()


def _show(
    frames: Iterator[list[records.Frame]], processor: str, rekognition: Any, status: str
) -> None:
    presence = Presence()
    console = Console()
    status_at = time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        for new in frames:
            now = time.time()
            before = {each.name: each.since for each in presence.people()}
            for frame in new:
                presence.see(frame, now)
            if time.monotonic() - status_at >= _STATUS:
                status_at = time.monotonic()
                status = _status(rekognition, processor)
            if console.is_terminal:
                live.update(watching.render(processor, presence, status=status, now=now))
                live.refresh()
            else:
                for line in watching.lines(presence, before):
                    click.echo(line)


def _status(rekognition: Any, processor: str) -> str:
    try:
        described = rekognition.describe_stream_processor(Name=processor)
    except rekognition.exceptions.ResourceNotFoundException:
        raise StreamError(f"The stream processor {processor} was deleted.") from None
    except (BotoCoreError, ClientError):
        return "the API does not answer"
    return " ".join(filter(None, (described["Status"], described.get("StatusMessage"))))


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return
    except StreamError as error:
        raise click.ClickException(str(error)) from error
    except ClientError as error:
        raise click.ClickException(error.response["Error"].get("Message", str(error))) from error
    except (BotoCoreError, ValueError) as error:
        raise click.ClickException(endpoints.explain(error)) from error
