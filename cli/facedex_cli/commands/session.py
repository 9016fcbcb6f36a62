"""Running of the server by a command: signals, errors as one sentence, the output when ready."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

from facedex.setting_reader import SettingError
from facedex.settings import Auth
from facedex.store.store_errors import StoreError
from facedex.vision.vision_errors import PackMissing
from facedex_cli.commands.downloads import progress_bar
from facedex_local import environment, terminal
from facedex_local.machine import Machine, Options, running
from facedex_local.room import NO_ROOM
from facedex_local.start_errors import StartFailed
from facedex_models.model_errors import ModelError

_SIGNALS = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None  # Windows has no SIGHUP
)


_POLL_INTERVAL: Final = 0.5  # seconds between checks for a signal that has not raised an exception


class _Interruption:
    """A flag that a signal handler sets to end the command.

    It uses no lock, because the interrupted thread might hold the lock.
    """

    requested = False


_interruption: Final = _Interruption()


@contextmanager
def session(options: Options) -> Iterator[Machine]:
    """Run the server while the block runs.

    Ctrl-C, SIGTERM and a closed terminal end the block, the server and the command, with exit
    status 0.

    Raises:
        ClickException: if the server cannot start.
    """
    with _interruptible():
        try:
            with running(options, progress_bar) as machine:
                yield machine
        except (StartFailed, ModelError, PackMissing, SettingError, StoreError) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            where = f" ({error.filename})" if error.filename else ""
            raise click.ClickException(f"The disk is full{where}; free some space.") from error
        except KeyboardInterrupt:
            terminal.say("stopped")
            raise SystemExit(0) from None


def announce(machine: Machine) -> None:
    """Print the server's address and the settings that clients need."""
    click.echo(f"ready {machine.url}")
    any_key = machine.auth is Auth.NONE
    for name, value in environment.describe_client(machine.url, credentials=any_key).items():
        click.echo(f"  export {name}={value}")
    if not any_key:
        click.echo("  and an access key; create one with: facedex keys create")
    if machine.console:
        click.echo(f"  for people, in the browser: {machine.url}/console/")
    _warn_of_missing_calibration()


def wait() -> None:
    """Wait for a signal, then raise KeyboardInterrupt.

    Python discards a KeyboardInterrupt that is raised in a finaliser, and may run the handler late
    if another thread receives the signal. The flag and the short sleeps handle both cases.

    Raises:
        KeyboardInterrupt: always.
    """
    while not _interruption.requested:
        time.sleep(_POLL_INTERVAL)
    raise KeyboardInterrupt


def _warn_of_missing_calibration() -> None:
    """Print a note if searches will fail, before the user fills a collection."""
    from facedex.runtime import model_packs
    from facedex.vision.vision_errors import Uncalibrated

    try:
        _ = model_packs.pack().calibration
    except Uncalibrated as error:
        terminal.say(f"note: {error}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first signal into KeyboardInterrupt and ignore later ones.

    A second Ctrl-C therefore does not interrupt the orderly shutdown that the first one started.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        _interruption.requested = True
        raise KeyboardInterrupt

    _interruption.requested = False
    before = {
        each: signal.signal(each, interrupt)
        for each in _SIGNALS
        # Under nohup, a closed terminal must not end the command.
        if each is signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
