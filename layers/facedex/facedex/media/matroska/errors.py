"""Errors of a Matroska stream; every message is one sentence."""

from __future__ import annotations


class MatroskaError(ValueError):
    """The bytes are not valid; the message says what was found."""


class Malformed(MatroskaError):
    """An element is broken, or of the wrong kind for its place, or the bytes are no element."""


class TooLarge(MatroskaError):
    """An element or a fragment is larger than the reader accepts."""


class Truncated(MatroskaError):
    """The bytes end in the middle of an element or of a fragment."""


class NotMatroska(MatroskaError):
    """So many bytes had no readable element that reading stops."""


class NoVideo(MatroskaError):
    """The tracks have no video, or none in a form that is read here."""


class Undecodable(MatroskaError):
    """Not one frame of a fragment could be decoded."""


class StreamFailed(MatroskaError):
    """The service ended the stream and said why in its tags.

    Attributes:
        code: ``AWS_KINESISVIDEO_ERROR_CODE``.
        number: ``AWS_KINESISVIDEO_ERROR_ID``, 0 where there is none.
    """

    def __init__(self, code: str, number: int) -> None:
        super().__init__(f"Kinesis Video Streams ended the stream: {code} ({number}).")
        self.code = code
        self.number = number
