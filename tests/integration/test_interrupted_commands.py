"""A signal ends a command in order: it leaves no Postgres behind, and has the usual exit status."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import psycopg
import pytest
from click.testing import CliRunner

from facedex_cli.commands.interrupting import Terminated, interruption
from facedex_cli.program import main
from facedex_local.postgres.postmaster import Postmaster

# A shell starts programs in the background with SIGINT ignored, and nohup with SIGHUP ignored;
# perhaps these tests too.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from facedex_cli.start import main
main()
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Under nohup, and so perhaps here, a closed terminal's signal is ignored.
CLOSED = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from facedex_cli.commands.interrupting import Terminated, end_in_order, interruption
end_in_order()
with interruption() as interrupted:
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
assert interrupted == [signal.SIGHUP], interrupted
try:
    signal.raise_signal(signal.SIGHUP)
except Terminated:
    signal.raise_signal(signal.SIGHUP)
    print("in order")
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_also_ends_the_postgres_of_a_command(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    made = CliRunner().invoke(main, ["keys", "create", f"--data-dir={tmp_path}"])
    assert made.exit_code == 0, made.output
    command = [sys.executable, "-c", COMMAND, "scrub", f"--data-dir={tmp_path}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as scrub:
        assert scrub.stderr
        for line in scrub.stderr:
            if "rewriting the table" in line:
                break
        scrub.send_signal(number)
        rest = scrub.stderr.read()
        assert scrub.wait(60) == 128 + number, rest
    assert rest.endswith("\ninterrupted\n"), rest
    assert Postmaster.read(tmp_path / "postgres") is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_current_work_finish_and_the_second_interrupts(
    number: signal.Signals,
) -> None:
    with interruption() as interrupted:
        signal.raise_signal(number)
        assert interrupted == [number]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_a_closed_terminal_which_sends_its_signal_twice_does_not_end_the_orderly_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "in order\n"), done.stderr


class _Closed(io.StringIO):
    """A terminal that has been closed."""

    def write(self, _text: str, /) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_terminal_that_is_closed_keeps_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def hung_up() -> None:
        monkeypatch.setattr(sys, "stderr", _Closed())
        raise Terminated(signal.SIGHUP)

    monkeypatch.setitem(main.commands, "hung-up", hung_up)
    with pytest.raises(SystemExit) as ended:
        main(["hung-up"])
    assert ended.value.code == 129


def _fail_by_itself() -> NoReturn:
    raise click.ClickException("The disk is full; free some space.")


def _fail_by_the_signal() -> NoReturn:
    raise psycopg.OperationalError("another command is already in progress")


def _report_a_failure_by_the_signal() -> NoReturn:
    try:
        _fail_by_the_signal()
    except psycopg.Error as error:
        raise click.ClickException("The database does not answer.") from error


@pytest.mark.parametrize(
    ("fail", "shown"),
    [
        (_fail_by_itself, "Error: The disk is full; free some space.\n"),
        (_fail_by_the_signal, ""),
        (_report_a_failure_by_the_signal, ""),
    ],
)
def test_an_error_at_the_end_of_an_interrupted_command_is_shown_unless_the_signal_caused_it(
    fail: Callable[[], NoReturn], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def broken() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            fail()

    monkeypatch.setitem(main.commands, "broken", broken)
    done = CliRunner().invoke(main, ["broken"])
    assert done.exit_code == 130
    assert done.stderr == f"\ninterrupted\n{shown}"


def test_a_closed_terminal_does_not_interrupt_work_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruption() as interrupted:
            signal.raise_signal(signal.SIGHUP)
            assert interrupted == []
    finally:
        signal.signal(signal.SIGHUP, before)
