"""Why media is not taken or not given; each message is one sentence."""

from __future__ import annotations


class StreamClosed(Exception):
    """The stream was deleted, or the server stops."""


class FragmentNotFound(Exception):
    """The fragment to start from is not held, or no longer."""


class ProducerBusy(Exception):
    """Another producer is sending to the stream."""


class ProducerSuperseded(Exception):
    """The producer was silent, and another one has taken over."""


class Refused(Exception):
    """A request is refused with an error of the service.

    Attributes:
        code: name of the error, as AWS's service model has it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
