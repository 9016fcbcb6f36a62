"""Long polling of SQS queues on the event loop.

A request that waits for messages holds no thread. In a thread, as moto has it, sixteen idle
consumers would stop the whole server, and the request of a client that has gone would still take
the next message from the queue.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from facedex_local.aws.moto_queues import POLL, Poll
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.wsgi import Wsgi

# Seconds between looks at a queue for messages that have become visible again, and at whether the
# server stops.
_TICK: Final = 1.0


class LongPolling(Wsgi):
    """Serves moto, and asks it again while a request waits for messages."""

    async def _answer(self, exchange: Exchange, environ: Environ) -> Answer:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the event loop has ended
                loop.call_soon_threadsafe(arrived.set)

        poll = Poll(wake)
        began = loop.time()
        answer = await super()._answer(exchange, environ | {POLL: poll})
        if not poll.seconds:
            return answer
        end = began + poll.seconds
        gone = asyncio.ensure_future(exchange.wait_for_disconnect())
        try:
            while poll.seconds and await _wait(arrived, gone, end) and not exchange.stopping():
                if not arrived.is_set() and not await exchange.run(poll.has_messages):
                    continue
                # Before the call, which asks for the next wake-up.
                arrived.clear()
                poll.seconds = 0
                answer = await super()._answer(exchange, environ | {POLL: poll})
        finally:
            poll.end()
            gone.cancel()
        return answer


async def _wait(arrived: asyncio.Event, gone: asyncio.Future[None], end: float) -> bool:
    """Wait for a message or a tick; return whether the client still waits for an answer."""
    left = end - asyncio.get_running_loop().time()
    waiting = asyncio.ensure_future(arrived.wait())
    waited: set[asyncio.Future[Any]] = {waiting, gone}
    try:
        await asyncio.wait(
            waited, timeout=max(0.0, min(left, _TICK)), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        waiting.cancel()
    return left > 0 and not gone.done()
