"""The whole product on one machine: database, models, S3 and API, started and stopped as one."""

from __future__ import annotations

import logging
import os
import threading
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
from facedex_local import environment, replicas, required_packs, secret, shutdown
from facedex_local.aws.kinesis_video.endpoint import KinesisVideo
from facedex_local.aws.kinesis_video.streams import Streams
from facedex_local.aws.moto_app import Moto
from facedex_local.errors import StartFailed
from facedex_local.http.forwarding import Forwarded
from facedex_local.http.listener import Listener
from facedex_local.http.server import Server
from facedex_local.replica import Orders
from facedex_local.replicas import Replicas
from facedex_local.starting import (
    Downloads,
    Health,
    close_database,
    connector,
    load_code,
    prepare_database,
    pull_pack,
)
from facedex_local.workers import queues, stream_workforce, video_workforce
from facedex_local.workers.uploads import Gate, Uploads

# Threads of the private S3 listener: callers are our own functions, and what polls
# queues for them, a second each time. Requests that other processes pass on have more.
_S3_THREADS: Final = 16

_logger = logging.getLogger("facedex")

_SWEEP: Final = 5.0  # seconds between looks for what others have left undone
_REVIVE: Final = 1.0  # the same for streams, which do not wait


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose.

    Attributes:
        directory: the data directory.
        host, port: what to listen on; port 0 is any free one.
        database_url: a Postgres of the user's own, or None for the embedded one.
        pack: the default model pack.
        threads: requests that are answered at once.
        log: whether a line per request goes to stderr.
        auth: who may call the face API.
        uploads: whether what is put into the uploads bucket is indexed.
        stream_megabytes: media that is held in memory for each Kinesis video stream.
        processes: how many answer requests on the one port.
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


@dataclass(frozen=True, slots=True)
class Machine:
    """A running product.

    Attributes:
        url: where it answers.
        auth: who may call.
    """

    url: str
    auth: Auth


@contextmanager
def running(options: Options, downloads: Downloads) -> Iterator[Machine]:
    """Start everything, yield when requests are answered, and stop everything at the end.

    An exception that strikes while it starts, KeyboardInterrupt included, stops what was started.

    Args:
        options: what the user chose.
        downloads: shows progress while a model pack is pulled.

    Raises:
        StartFailed: it cannot run here.
        ModelError: the model pack cannot be had.
        StoreError: the database cannot be brought to this version's schema.
    """
    with ExitStack() as stack:
        directory = stack.enter_context(data_directory.hold(options.directory))
        moto = Moto()
        streams = Streams(moto, most_bytes=options.stream_megabytes << 20)
        services = KinesisVideo(moto, streams)
        token = token_hex()
        # Functions read S3 through a port of their own: on the public one, requests that fill
        # every thread and each wait for S3 would wait for each other.
        private = Forwarded(services, token)
        threads = _S3_THREADS + options.threads * (options.processes - 1)
        s3 = Listener(private, host="127.0.0.1", port=0, threads=threads)
        stack.callback(s3.release)
        health = Health()
        gate = Gate(services)
        public = Listener(
            Server(
                elsewhere=gate,
                health=health,
                log=options.log,
                guarded=options.auth is Auth.KEYS,
            ),
            host=options.host,
            port=options.port,
            threads=options.threads,
            shares=options.processes > 1,
        )
        stack.callback(public.release)
        pack = pull_pack(options.pack, downloads)
        environment.configure(
            models=pack.parent,
            pack=options.pack,
            own_url=public.url,
            s3_url=s3.url,
            auth=options.auth,
            keys_secret=secret.source(directory) if options.auth is Auth.KEYS else "",
        )
        if options.processes > 1:
            replicas.share_machine(options.processes)
        queues.VIDEO.settle()
        queues.STREAMS.settle()
        arrivals = Uploads(s3.url, log=options.log) if options.uploads else None
        _start_parts(stack, options, directory, health)
        required_packs.have(downloads)
        s3.start()
        stack.callback(s3.stop)
        stream_workforce.restore_streams(s3.url)
        # It sends messages, and would wait for a queue that does not answer any more.
        stack.enter_context(_sweeping())
        if arrivals:
            stack.enter_context(arrivals.indexing(gate))
        else:
            gate.open()
        others = _replicas(options, public, s3.url, token)
        if others:
            # The bucket of uploads is there before any of them asks for it.
            gate.wait()
            stack.enter_context(others.running())
        # It stops first: then nothing more is uploaded, and what was can be indexed.
        public.start()
        stack.callback(public.stop)
        if others:
            stack.callback(others.stop_accepting)
        # Media that is being read or sent ends first; it would not end by itself.
        stack.enter_context(streams.open())
        stack.enter_context(video_workforce.workforce().working())
        stack.enter_context(stream_workforce.workforce().working())
        data_directory.announce(directory, url=public.url)
        yield Machine(public.url, options.auth)


def _replicas(options: Options, public: Listener, s3_url: str, token: str) -> Replicas | None:
    """Return the processes beside this one, if the user wants any."""
    if options.processes == 1:
        return None
    if os.name == "nt":
        raise StartFailed("Windows has one process only: leave out --processes.")
    orders = Orders(
        file=public.socket.fileno(),
        threads=options.threads,
        log=options.log,
        guarded=options.auth is Auth.KEYS,
        elsewhere=s3_url,
        token=token,
    )
    return Replicas(options.processes - 1, orders)


def _start_parts(stack: ExitStack, options: Options, directory: Path, health: Health) -> None:
    """Start the database and load the code at the same time: each takes about a second."""
    pool = ThreadPoolExecutor(2, thread_name_prefix="start")
    parts: list[Future[Any]] = []
    # A start that is interrupted leaves a part that hangs, such as a migration behind a lock.
    stack.callback(wait_for, parts, shutdown.PATIENCE)
    stack.callback(pool.shutdown, wait=False, cancel_futures=True)
    start_database: Callable[[], str]
    if options.database_url is None:
        from facedex_local.postgres.cluster import Postgres

        postgres = Postgres(directory)
        # At the end this comes before waiting for the pool: a start under way is called off.
        stack.callback(postgres.stop)
        start_database = postgres.start
    else:
        start_database = connector(options.database_url)
    database = pool.submit(prepare_database, start_database)
    code = pool.submit(load_code)
    parts += database, code
    for part in as_completed(parts):
        part.result()
    health.model_version = code.result()
    stack.callback(close_database)


@contextmanager
def _sweeping() -> Iterator[None]:
    """Now and then remove what a deletion that was cut off has left, and keep work going."""
    from facedex.runtime import services
    from facedex.settings import settings
    from facedex.store import collections
    from facedex.workflows import live_video, stored_video

    def sweep() -> None:
        collections.sweep(services.database(), seconds=_SWEEP)
        stored_video.sweep(services.database(), settings())

    def revive() -> None:
        live_video.sweep(services.database(), settings())

    with _repeating("sweep", sweep, every=_SWEEP), _repeating("revive", revive, every=_REVIVE):
        yield


@contextmanager
def _repeating(name: str, act: Callable[[], None], *, every: float) -> Iterator[None]:
    """Do something every few seconds, in a thread, for as long as the block runs."""
    from facedex.store.errors import DatabaseUnavailable

    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            try:
                act()
            except DatabaseUnavailable:
                continue
            except Exception:
                # The next round may fare better; without one, nothing would be done any more.
                _logger.exception("A %s failed.", name)

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        shutdown.join(thread)
