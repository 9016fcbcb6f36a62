"""The embedded Postgres: it starts, recovers from failures, and leaves no files or processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from facedex_local import directory
from facedex_local.postgres import account, initdb
from facedex_local.postgres.cluster import Postgres, binaries
from facedex_local.start_errors import DatabaseFailed, DirectoryInUse, StartCancelled

FULL = Path("/dev/full")  # every write to it fails as on a full disk

_HOLDER = """
import sys, time
from pathlib import Path
from facedex_local import directory
from facedex_local.postgres.cluster import Postgres
with directory.hold(Path(sys.argv[1])) as held:
    directory.announce(held, url="http://127.0.0.1:9000")
    Postgres(held).start()
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the directory and runs its Postgres."""
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()
    Postgres(tmp_path).stop()


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return execute(url, "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def processes_of(cluster: Path) -> list[str]:
    listed = subprocess.run(
        ["ps", "-axww", "-o", "command="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(cluster) in line]


def test_postgres_has_pgvector_and_commits_to_disk(postgres: Postgres) -> None:
    url = postgres.start()
    execute(url, "CREATE EXTENSION vector")
    assert execute(url, "SELECT '[3,4]'::halfvec <#> '[3,4]'") == [(-25.0,)]
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert execute(url, f"SHOW {setting}") == [("on",)]


def test_postgres_does_not_listen_on_the_network(postgres: Postgres) -> None:
    url = postgres.start()
    assert execute(url, "SHOW listen_addresses") == [("",)]
    assert execute(url, "SHOW unix_socket_permissions") == [("0700",)]


def test_rows_survive_a_restart_and_no_process_is_left(tmp_path: Path) -> None:
    first = Postgres(tmp_path)
    execute(first.start(), "CREATE TABLE kept AS SELECT 7 AS number")
    first.stop()
    assert processes_of(first.cluster) == []
    second = Postgres(tmp_path)
    assert execute(second.start(), "SELECT number FROM kept") == [(7,)]
    second.stop()
    assert processes_of(second.cluster) == []


def test_an_unresponsive_postgres_is_killed_and_loses_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facedex_local.postgres.cluster._SHUTDOWN", 1.0)
    first = Postgres(tmp_path)
    execute(first.start(), "CREATE TABLE kept AS SELECT 7 AS number")
    assert first.pid
    os.kill(first.pid, signal.SIGSTOP)
    first.stop()
    eventually(lambda: processes_of(first.cluster) == [])
    second = Postgres(tmp_path)
    assert execute(second.start(), "SELECT number FROM kept") == [(7,)]
    second.stop()


def test_a_stop_interrupts_the_creation_of_a_cluster(tmp_path: Path) -> None:
    server = Postgres(tmp_path)
    failures: list[type[Exception]] = []

    def start() -> None:
        try:
            server.start()
        except StartCancelled as error:
            failures.append(type(error))

    starter = threading.Thread(target=start, daemon=True)
    starter.start()
    eventually(lambda: bool(processes_of(tmp_path / "postgres.new")))
    server.stop()
    starter.join(30)
    assert failures == [StartCancelled]
    assert processes_of(tmp_path) == []


def test_a_server_left_running_by_a_killed_process_is_taken_over(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    left = Postgres(tmp_path)
    execute(left.url, "CREATE TABLE kept AS SELECT 7 AS number")
    pid = left.pid
    holder.kill()
    holder.wait()
    with directory.hold(tmp_path) as held:
        postgres = Postgres(held)
        assert execute(postgres.start(), "SELECT number FROM kept") == [(7,)]
        assert postgres.pid == pid
        postgres.stop()
    assert processes_of(postgres.cluster) == []


def test_a_second_start_is_refused_and_names_the_running_process(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(DirectoryInUse) as refused, directory.hold(tmp_path):
        pass
    assert str(refused.value) == (
        f"facedex is already running on {tmp_path} (process {holder.pid}, http://127.0.0.1:9000); "
        "stop it first, or choose another directory with --data-dir."
    )


def test_a_killed_server_is_started_again_with_every_committed_row(postgres: Postgres) -> None:
    url = postgres.start()
    execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
    killed = postgres.pid
    assert killed
    os.kill(killed, signal.SIGKILL)

    eventually(lambda: postgres.pid != killed and answers(url))
    assert execute(url, "SELECT number FROM kept") == [(7,)]


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
def test_a_killed_server_is_started_again_while_the_log_cannot_be_written(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.start()
    killed = postgres.pid
    assert killed
    with FULL.open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: postgres.pid != killed and answers(url))
        monkeypatch.undo()
        with suppress(OSError):  # it has lines that cannot be written
            full.close()


def test_a_stale_pid_file_does_not_prevent_a_start(tmp_path: Path) -> None:
    first = Postgres(tmp_path)
    first.start()
    pid_file = first.cluster / "postmaster.pid"
    stale = pid_file.read_text().splitlines()
    first.stop()
    # After a power cut, another program may have the same process id.
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pid_file.write_text("\n".join([str(other.pid), *stale[1:]]) + "\n")
    second = Postgres(tmp_path)
    try:
        assert execute(second.start(), "SELECT 1") == [(1,)]
        assert second.pid != other.pid
        assert other.poll() is None
    finally:
        second.stop()
        other.communicate()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[str]]:
    """A program that has nothing to do with the cluster, nor with Postgres."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_start_that_fails_ends_no_program_that_has_the_id_in_a_stale_pid_file(
    postgres: Postgres, stranger: subprocess.Popen[str]
) -> None:
    postgres.cluster.mkdir()
    (postgres.cluster / "PG_VERSION").write_text("16\n")
    lines = (stranger.pid, postgres.cluster, 0, 5432, postgres.cluster, "", "0 0", "ready")
    (postgres.cluster / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    with pytest.raises(DatabaseFailed):
        postgres.start()
    postgres.stop()
    assert stranger.poll() is None


def test_a_pid_file_that_names_the_server_of_another_cluster_does_not_prevent_a_start(
    tmp_path: Path,
) -> None:
    first, other = Postgres(tmp_path / "first"), Postgres(tmp_path / "other")
    for each in (first, other):
        each.cluster.parent.mkdir()
        each.start()
    pid_file = first.cluster / "postmaster.pid"
    stale = pid_file.read_text().splitlines()
    first.stop()
    pid_file.write_text("\n".join([str(other.pid), *stale[1:]]) + "\n")
    again = Postgres(tmp_path / "first")
    try:
        assert execute(again.start(), "SELECT 1") == [(1,)]
        assert execute(other.url, "SELECT 1") == [(1,)]
    finally:
        again.stop()
        other.stop()


@pytest.mark.parametrize("content", [b"", bytes(64)], ids=["empty", "zeros"])
def test_a_pid_file_that_a_power_failure_damaged_does_not_prevent_a_start(
    tmp_path: Path, content: bytes
) -> None:
    first = Postgres(tmp_path)
    first.start()
    first.stop()
    (first.cluster / "postmaster.pid").write_bytes(content)
    second = Postgres(tmp_path)
    try:
        assert execute(second.start(), "SELECT 1") == [(1,)]
    finally:
        second.stop()


def test_a_killed_set_up_is_restarted(postgres: Postgres) -> None:
    remains = postgres.cluster.with_name("postgres.new")
    remains.mkdir()
    (remains / "PG_VERSION").write_text("18\n")
    assert execute(postgres.start(), "SELECT 1") == [(1,)]
    assert not remains.exists()


def test_a_failed_set_up_says_why(tmp_path: Path) -> None:
    draft = tmp_path / "postgres.new"
    draft.mkdir()
    (draft / "of another program").touch()
    owner = account.of(tmp_path / "postgres")
    owner.own(draft, binaries())
    with pytest.raises(DatabaseFailed, match=r'error: directory ".*" exists but is not empty$'):
        initdb.run(draft, binaries(), owner, threading.Event())


def test_a_directory_with_a_long_name_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    postgres = Postgres(deep)
    try:
        assert execute(postgres.start(), "SELECT 1") == [(1,)]
    finally:
        postgres.stop()


def test_a_cluster_of_another_postgres_version_is_not_touched(postgres: Postgres) -> None:
    postgres.cluster.mkdir()
    (postgres.cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseFailed, match="created by Postgres 16, but this is Postgres 18"):
        postgres.start()
    assert [path.name for path in postgres.cluster.iterdir()] == ["PG_VERSION"]
