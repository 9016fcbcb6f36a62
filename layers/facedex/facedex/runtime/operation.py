"""The wrapper of every operation: it reads requests, calls handlers and writes responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

from facedex.api.media_types import JSON
from facedex.api.reading import read_request
from facedex.api.rest import choose_variant, read_members
from facedex.api.writing import write_response
from facedex.runtime import audit, reporting
from facedex.runtime.gateway import Call, answer
from facedex.runtime.model_change import with_current_model
from facedex.runtime.services import Services
from facedex.turns import Turns

Request = dict[str, Any]
Response = dict[str, Any]
Handler = Callable[[Request, Services], Response]

# Bytes of the large bodies that are parsed at once. Parsed, a million short names take ten times
# the bytes of the body.
_parsing: Final = Turns(32 << 20)
_LARGE: Final = 1 << 20


class Endpoint:
    """An operation that can be called through its own REST route, or by the front door.

    Args:
        name: the operation's name in the service model.
        handle: returns the response to a checked request, both in AWS's field names.
        variants: the handlers of the extensions on its REST route, by the extension's name.
    """

    def __init__(self, name: str, handle: Handler, variants: Mapping[str, Handler]) -> None:
        self.name = name
        self._handlers = {name: handle, **variants}

    def __call__(self, event: Mapping[str, Any], context: object) -> dict[str, Any]:
        """Handle an API Gateway event of the operation's REST route."""
        with reporting.under(context):
            return answer(event, JSON, self._act, self.name)

    def perform(
        self, call: Call, read: Callable[[Call], Request], variant: str | None = None
    ) -> bytes:
        """Check the caller and the request, call the handler, and return the serialised response.

        Args:
            call: the request as received.
            read: returns the members in JSON's types; called only if the caller is authorised.
            variant: name of the extension to call instead of the operation itself.

        Raises:
            Exception: see ``facedex.runtime.faults`` for what each means to the caller.
        """
        call.caller.require(self.name)
        name = variant or self.name
        with _parsing.hold(len(call.body)) if len(call.body) > _LARGE else nullcontext():
            request = read_request(name, read(call))
        call.trail.touch(operation=name)
        audit.describe(call.trail, request, call.owner)
        services = Services(call.owner, call.trail)
        response = with_current_model(partial(self._handlers[name], request, services))
        audit.complete(call.trail, services, response)
        return write_response(name, response)

    def _act(self, call: Call) -> bytes:
        return self.perform(call, self._read, choose_variant(self.name, call.query))

    def _read(self, call: Call) -> Request:
        return read_members(
            self.name,
            variant=choose_variant(self.name, call.query),
            headers=call.headers,
            path=call.path,
            query=call.query,
            body=call.body,
        )


def operation(name: str, handle: Handler, **variants: Handler) -> Endpoint:
    """Return the endpoint of an operation, given its handler and those of its extensions."""
    return Endpoint(name, handle, variants)
