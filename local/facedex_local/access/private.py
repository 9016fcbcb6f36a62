"""The private port, which answers this machine's own processes and no others."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from facedex_local.access.process_token import ENVIRON_KEY
from facedex_local.http.exchange import Exchange
from facedex_local.http.forwarding import FORWARDED_KEY
from facedex_local.http.listener import Application
from facedex_local.http.refusals import refuse


class Private:
    """Answers requests of this machine's processes, and those that they forward.

    Args:
        own: answers the processes' own requests.
        forwarded: answers requests that they forward from the public port.
        token: proves that a request comes from one of these processes.
    """

    def __init__(self, own: Application, forwarded: Application, token: str) -> None:
        self._own = own
        self._forwarded = forwarded
        self._token = token

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        environ = exchange.environ
        if self._is_token(environ.pop(ENVIRON_KEY, "")):
            await self._own(exchange)
        elif self._is_token(environ.get(FORWARDED_KEY, "").partition(" ")[0]):
            await self._forwarded(exchange)
        else:
            await exchange.answer(
                refuse(
                    environ,
                    HTTPStatus.FORBIDDEN,
                    "AccessDeniedException",
                    "This port is for the server's own processes; use the server's address.",
                ),
                close=True,
                linger=0.0,
            )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())
