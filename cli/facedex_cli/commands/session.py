"""Running the machine under a command: signals, failures in one sentence, the words when ready."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

from facedex.settings import Auth, SettingError
from facedex.store.errors import StoreError
from facedex.vision.errors import PackMissing
from facedex_cli.commands.models import progress_bar
from facedex_local import environment
from facedex_local.errors import StartFailed
from facedex_local.machine import Machine, Options, running
from facedex_models.errors import ModelError

_SIGNALS = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None  # Windows has no SIGHUP
)


_LOOK: Final = 0.5  # seconds between looks for a signal that has raised nothing


class _Interruption:
    """Whether a signal has asked for the end.

    A plain flag: a signal's handler may take no lock, as its thread may hold it.
    """

    asked = False


_interruption: Final = _Interruption()


@contextmanager
def session(options: Options) -> Iterator[Machine]:
    """Run the machine while the block does.

    Ctrl-C, SIGTERM and a closed terminal end both, and the command, with exit status 0.
    """
    with _interruptible():
        try:
            with running(options, progress_bar) as machine:
                yield machine
        except (StartFailed, ModelError, PackMissing, SettingError, StoreError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            raise SystemExit(0) from None


def announce(machine: Machine) -> None:
    """Say where the machine answers and what clients need to know."""
    click.echo(f"ready {machine.url}")
    anybody = machine.auth is Auth.NONE
    for name, value in environment.describe_client(machine.url, credentials=anybody).items():
        click.echo(f"  export {name}={value}")
    if not anybody:
        click.echo("  and an access key, which you make with: facedex keys create")
    _warn_of_missing_calibration()


def wait() -> None:
    """Wait for the end, which comes as KeyboardInterrupt.

    Python drops one that is raised in a finaliser, and sees late a signal that another thread
    has received; the flag and the short sleeps let neither be missed.
    """
    while not _interruption.asked:
        time.sleep(_LOOK)
    raise KeyboardInterrupt


def _warn_of_missing_calibration() -> None:
    """Say that searches will fail, before anybody fills a collection to find it out."""
    from facedex.runtime import services
    from facedex.vision.errors import Uncalibrated

    try:
        _ = services.pack().calibration
    except Uncalibrated as error:
        click.echo(f"note: {error}", err=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first signal into KeyboardInterrupt and ignore those that follow.

    So a second Ctrl-C does not break off the orderly stop that the first began.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        _interruption.asked = True
        raise KeyboardInterrupt

    _interruption.asked = False
    before = {
        each: signal.signal(each, interrupt)
        for each in _SIGNALS
        # Under nohup a closed terminal is not to end anything.
        if each is signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
