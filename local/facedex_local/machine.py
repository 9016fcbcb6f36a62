"""The complete product on one machine: starts and stops database, models, S3 and API together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from facedex.settings import DEFAULT_PACK, Auth
from facedex_local import directory as data_directory
from facedex_local import environment, replicas, required_packs, secret, shutdown, terminal
from facedex_local.access import own_key, process_token
from facedex_local.access.guard import Guard
from facedex_local.access.private import Private
from facedex_local.aws.kinesis_video.endpoint import KinesisVideo
from facedex_local.aws.kinesis_video.streams import Streams
from facedex_local.aws.moto_app import Moto
from facedex_local.erasing import erasing
from facedex_local.http.console import Console
from facedex_local.http.forwarding import Forwarded
from facedex_local.http.listener import Listener
from facedex_local.http.origins import Fence, Origins
from facedex_local.http.server import Server
from facedex_local.metrics.starting import start_metrics
from facedex_local.replica import Orders
from facedex_local.replicas import Replicas
from facedex_local.start_errors import StartFailed
from facedex_local.starting import (
    Downloads,
    Health,
    close_database,
    connector,
    find_key,
    load_code,
    prepare_database,
    pull_pack,
    require_aws_settings,
    require_keys_secret,
)
from facedex_local.sweeping import sweeping
from facedex_local.workers import earlier_run, queues, stream_workforce, video_workforce
from facedex_local.workers.uploads import Gate, Uploads

# Threads of the private S3 listener. Its clients are functions on this machine and pollers of
# queues, which wait up to a second per poll. More threads are added for other processes' requests.
_S3_THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class Options:
    """The user's choices.

    Attributes:
        directory: the data directory.
        host: the address to listen on.
        port: the port to listen on; 0 selects a free one.
        database_url: the user's own Postgres, or None for the embedded one.
        pack: the default model pack.
        threads: the number of requests that run at the same time.
        log: whether to log each request on stderr.
        auth: the authentication mode of the face API.
        uploads: whether photos put into the uploads bucket are indexed.
        stream_megabytes: media kept in memory for each Kinesis video stream.
        processes: the number of processes that answer requests on the port.
        origins: the origins of the user's own browser apps, whose pages may call the server.
        sns_endpoints: the addresses to which SNS may deliver by HTTP.
        rate: maximum number of requests per second to the face API; None for no limit.
        console: whether the server has the console, pages in the browser.
        attributes: whether the attributes pack is fetched if it is missing.
        metrics: whether ``GET /metrics`` is answered.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 9000
    database_url: str | None = None
    pack: str = DEFAULT_PACK
    threads: int = 16
    log: bool = True
    auth: Auth = Auth.NONE
    uploads: bool = False
    stream_megabytes: int = 200
    processes: int = 1
    origins: tuple[str, ...] = ()
    sns_endpoints: tuple[str, ...] = ()
    rate: float | None = None
    console: bool = True
    attributes: bool = False
    metrics: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """A running server.

    Attributes:
        url: the server's address.
        auth: the authentication mode.
        console: whether the console is at /console.
    """

    url: str
    auth: Auth
    console: bool


@contextmanager
def running(options: Options, downloads: Downloads) -> Iterator[Machine]:
    """Start all parts, yield when the server answers requests, and stop all parts at the end.

    If an exception interrupts the start, KeyboardInterrupt included, the parts that have started
    are stopped.

    Args:
        options: the user's choices.
        downloads: shows the progress of a model pack's download.

    Yields:
        The running server.

    Raises:
        StartFailed: if the server cannot run on this machine.
        ModelError: if the model pack cannot be installed.
        StoreError: if the database cannot be migrated to this version's schema.
    """
    terminal.escape_output()
    require_aws_settings()
    with ExitStack() as stack:
        directory = stack.enter_context(data_directory.hold(options.directory))
        moto = Moto(options.sns_endpoints)
        origins = Origins(options.origins)
        streams = Streams(moto, most_bytes=options.stream_megabytes << 20)
        services = KinesisVideo(moto, streams)
        token = token_hex()
        guarded = options.auth is Auth.KEYS
        if guarded:
            stack.enter_context(own_key.issued(directory))
        # Users' requests for other services; a request of this machine's own processes has a token.
        scraped = start_metrics(options.metrics, directory, guarded=guarded)
        for_users = Guard(scraped.behind(services), find_key) if guarded else services
        # Functions read S3 through a separate port. On the public port, requests could use every
        # thread while each waits for S3, a deadlock.
        private = Private(services, Forwarded(Fence(scraped(for_users), origins), token), token)
        threads = _S3_THREADS + options.threads * (options.processes - 1)
        s3 = Listener(private, host="127.0.0.1", port=0, threads=threads)
        stack.callback(s3.release)
        process_token.configure(s3.url, token)
        process_token.install()
        if options.database_url is None:
            os.environ["FACEDEX_DISK"] = str(directory)
        health = Health()
        gate = Gate(for_users)
        public = Listener(
            Server(
                elsewhere=scraped(gate),
                health=health,
                log=options.log,
                origins=origins,
                console=_console(options),
            ),
            host=options.host,
            port=options.port,
            threads=options.threads,
            shares=options.processes > 1,
        )
        stack.callback(public.release)
        pack = pull_pack(options.pack, downloads)
        if options.attributes:
            required_packs.pull_attributes(downloads)
        environment.configure(
            models=pack.parent,
            pack=options.pack,
            own_url=public.url,
            s3_url=s3.url,
            auth=options.auth,
            keys_secret=secret.source(directory) if guarded else "",
            server=data_directory.identify(directory) if options.database_url else "",
        )
        environment.share_galleries(directory, os.environ)
        environment.limit_rate(options.rate, directory, os.environ)
        if options.processes > 1:
            replicas.share_machine(options.processes)
        queues.VIDEO.configure()
        queues.STREAMS.configure()
        arrivals = Uploads(s3.url, log=options.log) if options.uploads else None
        _start_parts(stack, options, directory, health)
        if guarded and options.database_url:
            require_keys_secret()
        scraped.count()
        required_packs.pull_missing(downloads)
        if options.database_url is None:
            earlier_run.release_leases()
        stack.enter_context(erasing(None if options.database_url else directory / "postgres"))
        s3.start()
        stack.callback(s3.stop)
        stream_workforce.restore_streams(s3.url)
        # Entered after S3 has started, so that it stops before: it sends messages to queues there.
        stack.enter_context(sweeping())
        if arrivals:
            stack.enter_context(arrivals.indexing(gate))
        else:
            gate.open()
        others = _configure_replicas(options, public, s3.url, token)
        if others:
            # The uploads bucket must exist before another process receives a request for it.
            gate.wait()
            stack.enter_context(others.running())
        # The public port closes before the parts above stop: no more photos are uploaded, and
        # those that have been uploaded can still be indexed.
        public.start()
        stack.callback(public.stop)
        if others:
            stack.callback(others.stop_accepting)
        # Streams are closed before the ports: requests that send or read media do not end by
        # themselves.
        stack.enter_context(streams.open())
        stack.enter_context(video_workforce.workforce().working())
        stack.enter_context(stream_workforce.workforce().working())
        data_directory.announce(directory, url=public.url, region=environment.region())
        yield Machine(public.url, options.auth, options.console)


def _console(options: Options) -> Console | None:
    if not options.console:
        return None
    return Console(auth=options.auth, region=environment.region())


def _configure_replicas(
    options: Options, public: Listener, s3_url: str, token: str
) -> Replicas | None:
    """Return the additional server processes, not yet started, or None for one process."""
    if options.processes == 1:
        return None
    if os.name == "nt":
        raise StartFailed("On Windows, the server runs in one process; omit --processes.")
    orders = Orders(
        file=public.socket.fileno(),
        threads=options.threads,
        log=options.log,
        elsewhere=s3_url,
        token=token,
        origins=options.origins,
        auth=options.auth,
        console=options.console,
    )
    return Replicas(options.processes - 1, orders)


def _start_parts(stack: ExitStack, options: Options, directory: Path, health: Health) -> None:
    """Start the database and load the code at the same time: each takes about a second."""
    pool = ThreadPoolExecutor(2, thread_name_prefix="start")
    parts: list[Future[Any]] = []
    # An interrupted start does not wait without limit for a part that hangs, such as a migration
    # that waits for a lock.
    stack.callback(wait_for, parts, shutdown.PATIENCE)
    stack.callback(pool.shutdown, wait=False, cancel_futures=True)
    start_database: Callable[[], str]
    if options.database_url is None:
        from facedex_local.postgres.cluster import Postgres

        postgres = Postgres(directory)
        # Callbacks run in reverse order: this one cancels a start in progress before the pool is
        # waited for.
        stack.callback(postgres.stop)
        start_database = postgres.start
    else:
        start_database = connector(options.database_url)
    database = pool.submit(prepare_database, start_database)
    code = pool.submit(load_code)
    parts += database, code
    for part in as_completed(parts):
        part.result()
    # Only now: a library that reads the environment in another thread while it changes may read
    # memory that has been freed, which ends the process.
    os.environ["FACEDEX_DATABASE_URL"] = database.result()
    health.model_version = code.result()
    stack.callback(close_database)
