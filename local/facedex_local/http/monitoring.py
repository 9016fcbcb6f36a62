"""Threads of its own for ``/health`` and ``/metrics``.

A monitoring system needs the answers most while requests use, or wait for, all other threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# A database that does not answer holds a thread for a few seconds.
_threads: Final = ThreadPoolExecutor(4, thread_name_prefix="monitoring")


async def run(
    function: Callable[Parameters, Result],
    *arguments: Parameters.args,
    **_named: Parameters.kwargs,
) -> Result:
    """Call a function in one of these threads."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)
