"""Decoding of a live stream, with one decoder while the codec stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from facedex.media.matroska.contents import Track
from facedex.media.matroska.live import Coded, Opening
from facedex.media.matroska.matroska_errors import NoVideo, Undecodable
from facedex.media.orientation import pixel_aspect

# Matroska's codec IDs and FFmpeg's names of their decoders.
CODECS: Final = {
    "V_MPEG4/ISO/AVC": "h264",
    "V_MPEGH/ISO/HEVC": "hevc",
    "V_MJPEG": "mjpeg",
    "V_MPEG4/ISO/ASP": "mpeg4",
    "V_VP8": "vp8",
    "V_VP9": "vp9",
    "V_AV1": "av1",
}
_MAX_PIXELS: Final = 64_000_000
_REORDERED: Final = 64  # frames after which a held one counts as lost: H.264 reorders at most 16
# Consecutive undecodable frames after which decoding stops. A camera with a key frame every ten
# seconds that loses one of them makes 300 frames undecodable.
_HOPELESS: Final = 1500
_KEYLESS: Final = 600  # frames without a key frame after which any frame is tried


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A decoded frame, and its position in the stream.

    Attributes:
        opening: the beginning of its fragment.
        offset: seconds since the fragment's beginning.
        pixel_aspect: width of a displayed pixel divided by its height.
    """

    opening: Opening
    offset: float
    frame: VideoFrame
    pixel_aspect: float

    @property
    def at(self) -> float:
        """The time of the frame in seconds, by the producer's clock if that is known."""
        start = self.opening.producer_timestamp
        return (self.opening.began if start is None else start) + self.offset


class Decoder:
    """Decoder of the first video track of a stream, which tolerates damage and changes of codec.

    Attributes:
        failed: number of consecutive frames, up to the latest, that could not be decoded.
    """

    def __init__(self, *, max_pixels: int = _MAX_PIXELS) -> None:
        self._max_pixels = max_pixels
        self._context: VideoCodecContext | None = None
        self._track: Track | None = None
        self._opening: Opening | None = None
        self._count = 0
        self._held: dict[int, tuple[Opening, float]] = {}
        self.failed = 0
        self._keyless = 0
        self._intact = False  # whether the frames that the next one refers to are decoded

    def owes(self, opening: Opening) -> bool:
        """Return whether the decoder still holds frames of that fragment."""
        return any(each is opening for each, _ in self._held.values())

    def open(self, opening: Opening) -> Iterator[Shot]:
        """Begin a fragment; yield the frames that a replaced decoder still held.

        Raises:
            NoVideo: if there is no video track, or its codec cannot be decoded here.
        """
        track = next((each for each in opening.tracks if each.video), None)
        if track is None:
            raise NoVideo("The stream has no video track.")
        if _form(track) != _form(self._track):
            yield from self.drain()
            self._context = self._make(track)
        self._track, self._opening = track, opening

    def decode(self, coded: Coded) -> Iterator[Shot]:
        """Decode the next frame; yield the frames that are complete, in display order.

        Raises:
            Undecodable: if hundreds of frames in a row could not be decoded.
        """
        if self._opening is None or self._track is None or coded.track != self._track.number:
            return
        if not self._intact and not coded.key and self._keyless < _KEYLESS:
            self._keyless += 1
            return
        self._intact, self._keyless = True, 0
        self._count += 1
        packet: av.Packet[Any] = av.Packet(coded.data)
        # A number of our own: the timestamps of a stream need not be unique.
        packet.pts = packet.dts = self._count
        self._held[self._count] = (self._opening, coded.offset)
        yield from self._decode(packet)

    def drain(self) -> Iterator[Shot]:
        """Yield the frames that the decoder still holds; the next frame must be a key frame."""
        if self._context is not None and self._held:
            yield from self._decode(None)
            self._context.flush_buffers()
            self._intact = False
        self._held.clear()

    def _decode(self, packet: av.Packet[Any] | None) -> Iterator[Shot]:
        assert self._context is not None
        frames: list[VideoFrame] = []
        reason = "they contain no picture"
        try:
            frames = self._context.decode(packet)
        except (FFmpegError, EOFError) as error:
            reason = str(error)
        if frames:
            self.failed = 0
        elif packet is not None:
            self.failed += 1
        if self.failed >= _HOPELESS:
            raise Undecodable(f"{self.failed} frames in a row could not be decoded ({reason}).")
        for frame in frames:
            place = self._held.pop(frame.pts, None) if frame.pts is not None else None
            if place is not None:
                yield Shot(*place, frame, pixel_aspect(self._context))
        for number in [each for each in self._held if each <= self._count - _REORDERED]:
            del self._held[number]

    def _make(self, track: Track) -> VideoCodecContext:
        name = CODECS.get(track.codec)
        if track.packed or name is None:
            raise NoVideo(
                f"The stream's video is {track.codec or 'of no codec'}"
                + (" in compressed blocks" if track.packed else "")
                + f"; {', '.join(CODECS)} can be decoded."
            )
        if track.width * track.height > self._max_pixels:
            raise NoVideo(
                f"The stream's frames have {track.width} x {track.height} pixels; at most"
                f" {self._max_pixels} pixels are allowed."
            )
        try:
            context = av.CodecContext.create(name, "r")
            assert isinstance(context, VideoCodecContext)
            context.thread_count = 1
            # FFmpeg itself refuses larger pictures, whatever the header said.
            context.options = {"max_pixels": str(self._max_pixels)}
            if track.private:
                context.extradata = track.private
            context.open()
        except (FFmpegError, ValueError) as error:
            raise NoVideo(f"There is no decoder for {track.codec} ({error}).") from None
        self._intact = False
        return context


def _form(track: Track | None) -> tuple[str, bytes, bool] | None:
    return None if track is None else (track.codec, track.private, track.packed)
