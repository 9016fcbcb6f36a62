"""``facedex up``: start the server on one machine."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from facedex.settings import Auth
from facedex_cli.commands.options import machine_options
from facedex_cli.commands.session import announce, session, wait
from facedex_local.http.origins import parse_origin
from facedex_local.machine import Options


def _read_origins(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    try:
        return tuple(parse_origin(each) for each in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _read_endpoints(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for each in values:
        if not each.startswith(("http://", "https://")):
            raise click.BadParameter(f"{each!r} is not an address that starts with http or https.")
    return values


@click.command()
@machine_options(log=True)
@click.option(
    "--auth",
    type=click.Choice([Auth.NONE.value, Auth.KEYS.value]),
    envvar="FACEDEX_AUTH",
    default=Auth.NONE.value,
    show_default=True,
    help="Authentication of every request on the port, S3's and other services' included: none, or"
    " access keys of `facedex keys create`.",
)
@click.option(
    "--stream-memory",
    envvar="FACEDEX_STREAM_MEMORY",
    default=200,
    show_default=True,
    type=click.IntRange(1, 1 << 20),
    metavar="MB",
    help="Media kept in memory for each Kinesis video stream.",
)
@click.option(
    "--processes",
    envvar="FACEDEX_PROCESSES",
    default=1,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Processes that answer requests on the port. One process per core uses all cores.",
)
@click.option(
    "--allow-origin",
    "origins",
    envvar="FACEDEX_ALLOW_ORIGIN",
    multiple=True,
    metavar="ORIGIN",
    callback=_read_origins,
    help="Origin of a browser app of your own, such as https://app.example, whose pages may call"
    " the face API and the other services on the port; repeatable. Pages of all other origins"
    " are refused.",
)
@click.option(
    "--allow-sns-endpoint",
    "sns_endpoints",
    envvar="FACEDEX_ALLOW_SNS_ENDPOINT",
    multiple=True,
    metavar="URL",
    callback=_read_endpoints,
    help="Address to which SNS on the port may deliver by HTTP; repeatable. SNS delivers to SQS on"
    " the port without this option.",
)
@click.option(
    "--rate",
    envvar="FACEDEX_RATE",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Answer at most N requests of the face API per second, all callers and processes"
    " together, and refuse the others as Rekognition does, to test how a client backs off.",
)
@click.option(
    "--console/--no-console",
    envvar="FACEDEX_CONSOLE",
    default=True,
    show_default=True,
    help="Pages in the browser at /console, which are a client of the API.",
)
@click.option(
    "--attributes/--no-attributes",
    envvar="FACEDEX_ATTRIBUTES",
    default=True,
    show_default=True,
    help="Fetch the model pack for attributes of faces (age, emotions, ...) if it is missing."
    " Requests for the default attributes do not need it.",
)
@click.option(
    "--metrics/--no-metrics",
    envvar="FACEDEX_METRICS",
    default=True,
    show_default=True,
    help="Answer GET /metrics in Prometheus' format.",
)
def up(
    options: Options,
    auth: str,
    stream_memory: int,
    processes: int,
    origins: tuple[str, ...],
    sns_endpoints: tuple[str, ...],
    rate: float | None,
    console: bool,
    attributes: bool,
    metrics: bool,
) -> None:
    """Start the API, its database and S3 on one port, until Ctrl-C.

    Facedex answers requests that are signed for Rekognition. moto answers requests for all other
    services (S3, SQS, SNS, ...), and its data is lost when the server stops. Faces are stored in
    the data directory.

    \b
    aws rekognition create-collection --collection-id friends
    aws rekognition index-faces --collection-id friends \\
        --image-bytes fileb://photo.jpg --external-image-id ann
    aws rekognition search-faces-by-image --collection-id friends --image-bytes fileb://other.jpg

    Photos that are put into the bucket "uploads" are indexed as well:

    \b
    aws s3 cp photo.jpg s3://uploads/friends/ann.jpg

    With --rate 5, up to five requests are answered at once, and then five per second. Others get
    ProvisionedThroughputExceededException or, above twice the rate, ThrottlingException, both with
    the status 400. SDKs wait and retry:

    \b
    AWS_RETRY_MODE=adaptive AWS_MAX_ATTEMPTS=10 python my_program.py
    """
    chosen = replace(
        options,
        auth=Auth(auth),
        uploads=True,
        stream_megabytes=stream_memory,
        processes=processes,
        origins=origins,
        sns_endpoints=sns_endpoints,
        rate=rate,
        console=console,
        attributes=attributes,
        metrics=metrics,
    )
    with session(chosen) as machine:
        announce(machine)
        sys.stdout.flush()
        wait()
