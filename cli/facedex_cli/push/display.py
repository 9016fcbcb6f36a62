"""Display of a push: a line that is updated on a terminal, or a line every 10 s in a log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from facedex.printing import counted, printable
from facedex_cli.push.progress import Progress

_FRAME: Final = 0.25  # seconds between updates of the line
_WINDOW: Final = 5.0  # seconds over which the rate is averaged
_LINE: Final = 10.0  # seconds between lines in a log


@contextmanager
def shown(name: str, stream: str) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows progress on standard error while the block runs."""
    console = Console(stderr=True)
    rate = _Rate()
    if not console.is_terminal:
        yield _Log(console, rate)
        return
    with Live(console=console, auto_refresh=False) as live:
        before = 0.0

        def show(progress: Progress) -> None:
            nonlocal before
            now = time.monotonic()
            if now - before >= _FRAME:
                before = now
                title = f"{escape(printable(name))} → {escape(stream)}  "
                line = Text.from_markup(title + describe(progress, rate(progress.size)))
                if progress.note:
                    line.append(f"\n{progress.note}", style="yellow")
                live.update(line, refresh=True)

        yield show


def describe(progress: Progress, rate: float | None = None) -> str:
    """Return the progress as one line.

    Args:
        progress: the progress.
        rate: kilobits per second to show, or None to omit them.
    """
    minutes, seconds = divmod(int(progress.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    refused = f", {progress.refused} refused" if progress.refused else ""
    return (
        f"{hours}:{minutes:02d}:{seconds:02d}  {counted(progress.fragments, 'fragment')} sent, "
        f"{progress.received} received, {progress.persisted} persisted{refused}"
        + (f"  {rate:.0f} kbit/s" if rate is not None else "")
    )


class _Rate:
    """The rate in kilobits per second, averaged over the last seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def __call__(self, size: int) -> float:
        now = time.monotonic()
        while self._marks and now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        if not self._marks or now - self._marks[-1][0] > _FRAME:
            self._marks.append((now, size))
        began, before = self._marks[0]
        return (size - before) * 8 / 1000 / (now - began) if now > began else 0.0


class _Log:
    def __init__(self, console: Console, rate: _Rate) -> None:
        self._console = console
        self._rate = rate
        self._before = 0.0
        self._note = ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        rate = self._rate(progress.size)
        changed = progress.note != self._note
        if not changed and now - self._before < _LINE:
            return
        self._before, self._note = now, progress.note
        line = describe(progress, rate)
        self._console.print(
            f"{line}  {progress.note}".rstrip(), markup=False, highlight=False, soft_wrap=True
        )
