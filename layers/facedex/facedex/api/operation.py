"""The one wrapper of every operation: what all handlers would otherwise repeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from facedex.api.arns import Owner
from facedex.api.gateway import JSON, Call, answer
from facedex.api.reading import read_request
from facedex.api.rest import read_members
from facedex.api.writing import write_response
from facedex.services import Services

Request = dict[str, Any]
Response = dict[str, Any]
Handler = Callable[[Request, Services], Response]


class Endpoint:
    """An operation that can be called: through its own REST route, or by the front door.

    Args:
        name: the operation's name in the service model.
        handle: takes the checked request, in AWS's field names, and returns the response.
    """

    def __init__(self, name: str, handle: Handler) -> None:
        self.name = name
        self._handle = handle

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """Lambda's entry: an API Gateway event of the operation's REST route."""
        return answer(event, JSON, self._act)

    def perform(self, members: Request, owner: Owner) -> bytes:
        """Check the request, handle it, check and serialise the response.

        Raises:
            Exception: see ``facedex.api.faults`` for what each means to the caller.
        """
        request = read_request(self.name, members)
        return write_response(self.name, self._handle(request, Services(owner)))

    def _act(self, call: Call) -> bytes:
        return self.perform(read_members(self.name, call), call.owner)


def operation(name: str, handle: Handler) -> Endpoint:
    """Make a handler an operation of the service."""
    return Endpoint(name, handle)
