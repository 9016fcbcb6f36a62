"""The server's other processes end with the first one, and only with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

_CHILD = """
import threading
from facedex_local import lifeline
lifeline.watch(lambda line: print(line.decode(), end="", flush=True), status=7)
print("watching", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _CHILD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "watching\n"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_of_a_service_is_left_to_the_first_one(
    child: subprocess.Popen[str], number: signal.Signals
) -> None:
    child.send_signal(number)
    assert child.stdin
    assert child.stdout
    child.stdin.write("still here\n")
    child.stdin.flush()
    assert child.stdout.readline() == "still here\n"


def test_a_child_that_fails_reports_its_error_only() -> None:
    failing = (
        "from facedex_local import lifeline; lifeline.watch(); raise ValueError('bad setting')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", failing], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stderr.read().splitlines()[-1] == "ValueError: bad setting"
        assert process.wait() == 1


def test_a_child_ends_with_its_parent(child: subprocess.Popen[str]) -> None:
    assert child.stdin
    child.stdin.close()
    assert child.wait(60) == 7
