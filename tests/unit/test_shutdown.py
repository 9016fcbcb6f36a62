"""The end of a run waits for a limited time, and detects a signal that raised no exception."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from facedex_local import shutdown

_LEAVES_A_THREAD = """
import threading
import facedex_cli.program
from facedex_cli import start

def command():
    threading.Thread(target=threading.Event().wait).start()
    print("kept")
    raise SystemExit(3)

facedex_cli.program.main = command
start.main()
"""

# The signal arrives in a finaliser, where Python prints the KeyboardInterrupt and drops it.
_DROPS_AN_INTERRUPT = """
import os, signal
from facedex_cli.commands import session

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

with session._interruptible():
    made = Dropped()
    del made
    try:
        session.wait()
    except KeyboardInterrupt:
        print("stopped")
"""


def test_threads_that_hang_are_reported_and_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()
    hanging = threading.Thread(target=go_on.wait, name="hanging", daemon=True)
    ended = threading.Thread(target=int, name="ended", daemon=True)
    hanging.start()
    ended.start()
    ended.join()
    assert not shutdown.join(hanging, ended, seconds=0.1)
    (record,) = caplog.records
    assert "hanging" in record.getMessage()
    assert "ended" not in record.getMessage()
    go_on.set()
    assert shutdown.join(hanging, ended)


def test_a_thread_that_was_never_started_is_not_waited_for() -> None:
    assert shutdown.join(threading.Thread(target=int))


def test_a_function_that_hangs_is_abandoned() -> None:
    go_on = threading.Event()
    assert not shutdown.run("hanging", go_on.wait, seconds=0.1)
    go_on.set()
    assert shutdown.run("quick", lambda: None)


def test_a_process_ends_with_its_status_and_output_although_a_thread_hangs() -> None:
    done = run(_LEAVES_A_THREAD)
    assert (done.returncode, done.stdout) == (3, "kept\n")


def test_an_interrupt_that_python_drops_still_stops_the_server() -> None:
    done = run(_DROPS_AN_INTERRUPT)
    assert done.stdout == "stopped\n"
    assert "KeyboardInterrupt" in done.stderr


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
