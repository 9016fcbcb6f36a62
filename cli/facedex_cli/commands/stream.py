"""``facedex stream``: push video into a stream, and watch who is seen in it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
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
from facedex_cli.watch.presence import Presence

_STATUS: Final = 5.0  # seconds between looks at how the processor is


@click.group()
def stream() -> None:
    """Look for people of a collection in live video."""


@stream.command()
@click.argument("source", metavar="FILE|rtsp://…|/dev/video0")
@click.option("--stream", "name", required=True, metavar="NAME", help="Made if it is not there.")
@click.option("--loop", is_flag=True, help="Begin a film again when it is over.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 20),
    help="Show a film faster or slower.",
)
@click.option(
    "--encode",
    is_flag=True,
    help="Encode anew, with a key frame twice a second: less delay for more work."
    " Done in any case where the source has no H.264, or key frames too far apart.",
)
@click.option(
    "--transport",
    default="tcp",
    show_default=True,
    type=click.Choice(["tcp", "udp"]),
    help="How pictures come over RTSP.",
)
@click.option(
    "--retention",
    default=1,
    show_default=True,
    type=click.IntRange(0, 87600),
    metavar="HOURS",
    help="For how long a new stream keeps its media.",
)
@click.option("--duration", type=click.FloatRange(0), metavar="SECONDS", help="End after so long.")
@where.url
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
    data_dir: Path,
) -> None:
    """Feed a film or a camera into a Kinesis video stream, in real time.

    H.264 goes as it is. If the camera or the service goes away, it is tried again until it is back.
    An address of Kinesis Video Streams as --url pushes to Amazon, with your own credentials.

    \b
    facedex stream push lobby.mp4 --stream door --loop
    facedex stream push rtsp://camera.local/live --stream door
    """
    # Imported here: every other command starts without PyAV.
    from facedex_cli.push.pushing import Push
    from facedex_cli.push.service import Service
    from facedex_cli.push.sources import Source

    origin = Source(source, transport)
    if origin.live and (loop or speed != 1.0):
        raise click.UsageError("--loop and --speed are for films; a camera has its own pace.")
    try:
        service = Service(name, retention=retention, url=url, data_dir=data_dir)
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
            f"{error} Start the server with: facedex up, or name another with --url."
        ) from None
    except StreamError as error:
        raise click.ClickException(str(error)) from None
    click.echo(describe(pushed.progress))


@stream.command()
@click.argument("processor", metavar="NAME")
@click.option("--json", "as_lines", is_flag=True, help="Print each record as a line of JSON.")
@click.option("--duration", type=click.FloatRange(0), metavar="SECONDS", help="End after so long.")
@where.url
@where.running
def watch(
    processor: str, as_lines: bool, duration: float | None, url: str | None, data_dir: Path
) -> None:
    """Show who is seen by a stream processor, live.

    NAME is the processor's, of CreateStreamProcessor; its records are read from its data stream, as
    any consumer does.
    """
    end = time.monotonic() + duration if duration is not None else None
    with _plain_errors():
        there = endpoints.find("rekognition", url, data_dir)
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        rekognition = there.client("rekognition", config, own=True)
        described = rekognition.describe_stream_processor(Name=processor)
        output = described["Output"]["KinesisDataStream"]["Arn"]
        source = described["Input"].get("KinesisVideoStream", {}).get("Arn", "")
        consumer = Consumer(there.client("kinesis", config), output.rpartition("/")[2])
        frames = _frames(consumer, source, end)
        if as_lines:
            _print(frames)
        else:
            _show(frames, processor, rekognition, str(described["Status"]))


def _frames(consumer: Consumer, source: str, end: float | None) -> Iterator[list[records.Frame]]:
    """The frames of a processor as they come; other processors may write to the stream too."""
    for came in consumer.records():
        found = [frame for data in came if (frame := records.read(data))]
        yield [frame for frame in found if not (source and frame.stream) or frame.stream == source]
        if end is not None and time.monotonic() >= end:
            return


def _print(frames: Iterator[list[records.Frame]]) -> None:
    for came in frames:
        for frame in came:
            click.echo(json.dumps(frame.record, separators=(",", ":")))
        sys.stdout.flush()


def _show(
    frames: Iterator[list[records.Frame]], processor: str, rekognition: Any, status: str
) -> None:
    presence = Presence()
    console = Console()
    looked = time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        for came in frames:
            now = time.time()
            before = [each.name for each in presence.people()]
            for frame in came:
                presence.see(frame, now)
            if time.monotonic() - looked >= _STATUS:
                looked = time.monotonic()
                status = _status(rekognition, processor)
            if console.is_terminal:
                live.update(watching.render(processor, presence, status=status, now=now))
                live.refresh()
            else:
                for line in watching.lines(presence, before):
                    click.echo(line)


def _status(rekognition: Any, processor: str) -> str:
    try:
        said = rekognition.describe_stream_processor(Name=processor)
    except rekognition.exceptions.ResourceNotFoundException:
        raise StreamError(f"The stream processor {processor} was deleted.") from None
    except (BotoCoreError, ClientError):
        return "the API does not answer"
    return " ".join(filter(None, (said["Status"], said.get("StatusMessage"))))


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
        raise click.ClickException(
            f"{error} Start the server with: facedex up, or name another with --url."
        ) from error
