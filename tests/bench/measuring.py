"""Timing of two programs side by side, shared by the benchmarks."""

from __future__ import annotations

import io
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageOps

from facedex_cli.demo import portraits


def machine() -> str:
    """Return a description of the machine."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.processor()
    return f"{os.cpu_count()} x {processor}, Python {platform.python_version()}"


def side_by_side(
    programs: Sequence[Callable[[], object]], *, rounds: int, warm_up: int = 3, calls: int = 1
) -> list[list[float]]:
    """Return the times of each program in seconds, taken in turns to share disturbances.

    Args:
        programs: the programs.
        rounds: number of turns of each.
        warm_up: number of turns before, which are not measured.
        calls: number of calls in a turn. With a single one, each call finds what the others left in
            the processor's caches.
    """
    times: list[list[float]] = [[] for _ in programs]
    for turn in range(-warm_up, rounds):
        for program, taken in zip(programs, times, strict=True):
            for _ in range(calls):
                start = time.perf_counter()
                program()
                if turn >= 0:
                    taken.append(time.perf_counter() - start)
    return times


def milliseconds(times: Sequence[float]) -> str:
    """Return the median of times in seconds, in milliseconds."""
    return f"{1000 * statistics.median(times):.1f} ms"


def best(times: Sequence[float]) -> str:
    """Return the minimum of times in seconds, in milliseconds, as the least disturbed one."""
    return f"{1000 * min(times):.1f} ms"


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Return the ratio of the slow median to the fast one."""
    return statistics.median(slow) / statistics.median(fast)


def report(title: str, *lines: str) -> None:
    """Print a benchmark's figures with the machine."""
    print(title, *(f"  {line}" for line in lines), f"  on {machine()}", sep="\n")


def portrait(width: int = 640, height: int = 480) -> bytes:
    """Return a portrait of that size as a JPEG.

    White surrounds it. A photo whose last pixel has the middle grey, as if its end were missing, is
    decoded a second time, which is rare.
    """
    with Image.open(io.BytesIO(portraits.fetch()["eileen"])) as picture:
        fitted = ImageOps.pad(picture.convert("RGB"), (width, height), color="white")
    buffer = io.BytesIO()
    fitted.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
