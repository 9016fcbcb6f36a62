"""Errors of PutMedia and GetMedia; each message is one sentence."""

from __future__ import annotations


class StreamClosed(Exception):
    """The stream was deleted, or the server is stopping."""


class FragmentNotFound(Exception):
    """The fragment to start from is not in memory, or no longer."""


class ProducerBusy(Exception):
    """Another producer is sending to the stream."""


class ProducerSuperseded(Exception):
    """The producer was silent for too long, and another one has replaced it."""


class Refused(Exception):
    """A request is rejected with an error of the service.

    Attributes:
        code: the error's name in AWS's service model.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
