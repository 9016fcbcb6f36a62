"""Errors of a Matroska stream; every message is one sentence."""

from __future__ import annotations


class MatroskaError(ValueError):
    """The bytes are not valid Matroska; the message describes the problem."""


class Malformed(MatroskaError):
    """An element is malformed or of the wrong kind, or the bytes are not an element."""


class TooLarge(MatroskaError):
    """An element or a fragment is larger than the reader accepts."""


class Truncated(MatroskaError):
    """The bytes end in the middle of an element or of a fragment."""


class NotMatroska(MatroskaError):
    """Too many bytes contained no readable element."""


class NoVideo(MatroskaError):
    """There is no video track, or none in a supported form."""


class Undecodable(MatroskaError):
    """Too many consecutive frames could not be decoded."""


class StreamFailed(MatroskaError):
    """The service ended the stream and stated the error in its tags.

    Attributes:
        code: ``AWS_KINESISVIDEO_ERROR_CODE``.
        number: ``AWS_KINESISVIDEO_ERROR_ID``, 0 if there is none.
    """

    def __init__(self, code: str, number: int) -> None:
        super().__init__(f"Kinesis Video Streams ended the stream: {code} ({number}).")
        self.code = code
        self.number = number
