"""Matroska fragments that begin with a key frame, made from packets without delay.

FFmpeg converts any camera's format to Matroska. This module divides FFmpeg's output into new
clusters, because Kinesis Video Streams treats each cluster as a fragment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from facedex.media.clocks import usual_duration
from facedex.media.display_order import DisplayOrder
from facedex.media.matroska import contents, ebml
from facedex.media.matroska.parsing import Parser
from facedex.media.orientation import pixel_aspect, reformat
from facedex_cli.push.showing import as_shown

# Minimum length of a fragment in seconds, even if key frames are closer together. The service
# allows five fragments per second.
_MIN_LENGTH: Final = 0.4
_KEY_FRAMES: Final = 0.5  # seconds between key frames of video that is encoded here
LONGEST: Final = 9.5  # seconds; the service allows 10
_MILLISECONDS: Final = Fraction(1, 1000)
_OPTIONS: Final = {
    # FFmpeg writes each frame at once, as a cluster of its own, without waiting for further frames.
    "cluster_time_limit": "1",
    "flush_packets": "1",
    "live": "1",
}


class MustEncode(Exception):
    """The video must be re-encoded; the message is the reason."""


class KeyFramesTooRare(MustEncode):
    """A fragment would be longer than the service allows."""

    def __init__(self) -> None:
        super().__init__("the video's key frames are too far apart")


class TimesMissing(MustEncode):
    """Only a decoder knows when a picture is shown."""

    def __init__(self) -> None:
        super().__init__("the video's pictures have no times of their own")


@dataclass(frozen=True, slots=True)
class Piece:
    """An element to send to the service.

    Attributes:
        data: the element's bytes.
        opens: whether a fragment begins here.
        time: the frame's time by the source's clock, in milliseconds.
    """

    data: bytes
    opens: bool
    time: int


class Muxer:
    """Converts packets into fragments.

    Args:
        template: the packets' video stream.
        encode: whether to re-encode the video, with a key frame twice a second.
        speed: the divisor of the packets' times.
        misguessed: whether only a decoder knows in which order the pictures are shown.
        after: milliseconds; pictures until this time are decoded but not encoded. None for all.

    Attributes:
        header: the elements before the first cluster, empty until they are complete.
    """

    def __init__(
        self,
        template: VideoStream,
        *,
        encode: bool,
        speed: float = 1.0,
        misguessed: bool = False,
        after: int | None = None,
    ) -> None:
        self.header = b""
        self._rate = template.average_rate or 25
        self._usual = usual_duration(template)  # of a picture, in ticks of the source
        self._reorders = bool(template.codec_context.has_b_frames)
        self._order = DisplayOrder() if misguessed else None
        self._speed = speed
        self._aspect = pixel_aspect(template)
        self._encodes = encode or template.codec_context.name != "h264"
        self._sink = _Sink()
        sink: Any = self._sink
        self._output = av.open(sink, "w", format="matroska", options=_OPTIONS)
        # The stream of the output. The template must not be used after its container is closed.
        self._stream: VideoStream | None = None
        if not self._encodes:
            self._stream = self._output.add_stream_from_template(template)
        self._parser = Parser()
        self._head: list[bytes] = []
        self._base = 0
        self._opened: int | None = None
        self._dts = -(1 << 62) if after is None else after
        self._forced = -(1 << 62)
        # When the next picture is shown if it does not state it, in ticks; None at the beginning.
        self._following: int | None = None
        self._counted = False  # whether any picture has not stated it

    @property
    def encodes(self) -> bool:
        """True if the video is re-encoded."""
        return self._encodes

    def add(self, packet: av.Packet[VideoStream], shift: float) -> Iterator[Piece]:
        """Yield the elements that a packet completes.

        Args:
            packet: the packet.
            shift: seconds to add to the packet's times after dividing them by the speed.

        Raises:
            KeyFramesTooRare: if the fragment grows too long without a key frame.
            TimesMissing: if the packet states no display time and pictures are reordered.
        """
        if self._encodes:
            self._encode(packet, shift)
        else:
            self._copy(packet, shift)
        yield from self._cut()

    def finish(self) -> Iterator[Piece]:
        """Yield the remaining elements at the end of the video."""
        try:
            if self._encodes and self._stream:
                self._output.mux(self._stream.encode(None))
            if self._stream:
                self._output.close()
        except FFmpegError:
            return
        yield from self._cut()

    def _copy(self, packet: av.Packet[VideoStream], shift: float) -> None:
        if packet.time_base is None or not packet.size:
            return
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None:
            return
        if packet.pts is None and self._reorders:
            raise TimesMissing
        pts = packet.pts if packet.pts is not None else dts
        # Times of cameras can repeat or decrease; decoding times must increase.
        self._dts = max(self._dts + 1, self._milliseconds(dts * packet.time_base, shift))
        packet.pts = max(self._milliseconds(pts * packet.time_base, shift), self._dts)
        packet.dts, packet.time_base = self._dts, _MILLISECONDS
        assert self._stream
        packet.stream = self._stream
        self._output.mux(packet)

    def _encode(self, packet: av.Packet[VideoStream], shift: float) -> None:
        if self._order:
            packet.pts = packet.dts
            self._order.enter(packet)
        try:
            frames = packet.decode()
        except FFmpegError:
            return
        if self._following is None:
            self._following = packet.dts
        for frame in frames:
            if self._order:
                frame.pts = self._order.time(frame)
            if frame.pts is None:
                # As in players, a picture without a time of its own follows the one before it.
                frame.pts = self._following or 0
                self._counted = True
            self._following = frame.pts + (frame.duration or self._usual)
            time = self._milliseconds(frame.time or 0.0, shift)
            if time <= self._dts:
                if not self._counted:
                    continue
                # The source's rate may be guessed wrongly, so that counted times are too late.
                time = self._dts + 1
            self._dts = time
            shown = as_shown(frame, self._aspect)
            stream = self._stream or self._add_encoder(shown)
            picture = reformat(
                shown,
                stream.width,
                stream.height,
                "yuv420p",
                color_range=stream.codec_context.color_range,
            )
            picture.pts, picture.time_base = time, _MILLISECONDS
            picture.pict_type = PictureType.NONE
            if time - self._forced >= _KEY_FRAMES * 1000:
                picture.pict_type = PictureType.I
                self._forced = time
            self._output.mux(stream.encode(picture))
        if not packet.size:  # the end, after which the video may begin again
            self._following = None
            self._order = DisplayOrder() if self._order else None

    def _milliseconds(self, seconds: float | Fraction, shift: float) -> int:
        return round((float(seconds) / self._speed + shift) * 1000)

    def _add_encoder(self, frame: av.VideoFrame) -> VideoStream:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": "250", "forced-idr": "1"}
        stream = self._output.add_stream("libx264", rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = frame.width & ~1, frame.height & ~1
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _MILLISECONDS
        # As in the source: the decoder of the stream converts the colours.
        full = frame.color_range == ColorRange.JPEG
        stream.codec_context.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        if not frame.format.is_rgb and frame.colorspace in set(Colorspace):
            stream.codec_context.colorspace = frame.colorspace
        self._stream = stream
        return stream

    def _cut(self) -> Iterator[Piece]:
        for element in self._parser.feed(self._sink.drain()):
            match element.id:
                case ebml.EBML:
                    self._head = [element.raw, ebml.endless(ebml.SEGMENT)]
                case ebml.INFO | ebml.TRACKS:
                    self._head.append(element.raw)
                case ebml.TIMESTAMP:
                    self._base = ebml.unsigned(element.body)
                case ebml.SIMPLE_BLOCK | ebml.BLOCK_GROUP:
                    self.header = self.header or b"".join(self._head)
                    yield from self._add_block(contents.read_block(element))

    def _add_block(self, block: contents.Block) -> Iterator[Piece]:
        time = self._base + block.offset
        if block.key and (self._opened is None or time - self._opened >= _MIN_LENGTH * 1000):
            self._opened = time
            yield Piece(b"", opens=True, time=time)
        if self._opened is None:
            return  # frames before the first key frame cannot be decoded
        offset = time - self._opened
        if offset > LONGEST * 1000:
            raise KeyFramesTooRare
        body = b"\x81" + offset.to_bytes(2, "big", signed=True) + bytes([block.key << 7])
        data = ebml.element(ebml.SIMPLE_BLOCK, body + block.data)
        yield Piece(data, opens=False, time=time)


class _Sink:
    """The file that FFmpeg writes to."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        """Append data."""
        self._written += data
        return len(data)

    def drain(self) -> bytes:
        """Return and remove the written data."""
        written = bytes(self._written)
        self._written.clear()
        return written
