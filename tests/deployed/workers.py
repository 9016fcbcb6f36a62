"""The processes of the functions, and what they use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.deployed.account import Stack

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Worker:
    """The process of a function, which has answered at least one invocation.

    Attributes:
        function: the function's name.
        limit: the memory that its configuration gives it, in MiB.
        peak: the largest resident memory that it has had, in MiB.
        first: duration of the function's first invocation, with the start of its process, in
            seconds.
    """

    function: str
    limit: int
    peak: float
    first: float

    def __str__(self) -> str:
        return (
            f"{self.function}: at most {self.peak:.0f} of {self.limit} MiB,"
            f" first invocation {self.first:.2f} s"
        )


def workers(stack: Stack) -> list[Worker]:
    """Return the processes of a stack's functions, ordered by name."""
    functions = stack.emulator.client("lambda")
    found = []
    for process in psutil.Process(stack.emulator.pid).children(recursive=True):
        try:
            name = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
            status = Path(f"/proc/{process.pid}/status").read_text()
        except (psutil.Error, OSError):
            continue  # it has ended
        if not name.startswith(f"{stack.name}-"):
            continue
        (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        limit = functions.get_function_configuration(FunctionName=name)["MemorySize"]
        first = _first_duration(stack, name)
        found.append(Worker(name, limit, int(peak) * 1024 / _MEBIBYTE, first))
    return sorted(found, key=lambda each: each.function)


def _first_duration(stack: Stack, function: str) -> float:
    """Return the duration of a function's first invocation by the emulator's log, in seconds.

    It is not a number while the log has no report of an invocation.
    """
    pages = stack.emulator.client("logs").get_paginator("filter_log_events")
    events: list[dict[str, Any]] = [
        event
        for page in pages.paginate(logGroupName=_log_group(stack, function), filterPattern="REPORT")
        for event in page["events"]
        if "Duration: " in event["message"]
    ]
    if not events:
        return math.nan
    first = min(events, key=lambda each: each["timestamp"])["message"]
    return float(first.partition("Duration: ")[2].partition(" ms")[0]) / 1000


def _log_group(stack: Stack, function: str) -> str:
    configuration = stack.emulator.client("lambda").get_function_configuration(
        FunctionName=function
    )
    own = configuration.get("LoggingConfig", {}).get("LogGroup")
    return str(own or f"/aws/lambda/{function}")
