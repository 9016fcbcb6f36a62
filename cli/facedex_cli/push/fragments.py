"""Pictures as Matroska fragments that begin with a key frame, each element as soon as it is there.

FFmpeg makes Matroska of what a camera sends, whatever form that has; its clusters are cut anew
here, as Kinesis Video Streams takes each one for a fragment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from facedex.media.matroska import contents, ebml
from facedex.media.matroska.parsing import Parser

# Seconds: of a fragment at least, where key frames are nearer (five in a second are allowed), and
# between the key frames of what is encoded here.
_SHORTEST: Final = 0.4
_KEY_FRAMES: Final = 0.5
LONGEST: Final = 9.5  # seconds; the service allows 10
_MILLISECONDS: Final = Fraction(1, 1000)
_OPTIONS: Final = {
    # A cluster for each frame, written at once: none waits here for others.
    "cluster_time_limit": "1",
    "flush_packets": "1",
    "live": "1",
}


class KeyFramesTooRare(Exception):
    """A fragment would be longer than the service takes; the pictures have to be encoded anew."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An element for the service.

    Attributes:
        opens: whether a fragment begins with it.
        time: milliseconds by the source's clock, of its frame.
    """

    data: bytes
    opens: bool
    time: int


class Muxer:
    """Makes fragments of packets.

    Args:
        template: the video that they are of.
        encode: whether it is encoded anew, with a key frame twice a second.
        speed: by what its times are divided.
    """

    def __init__(self, template: VideoStream, *, encode: bool, speed: float = 1.0) -> None:
        self.header = b""
        self._rate = template.average_rate or 25
        self._speed = speed
        self._encodes = encode or template.codec_context.name != "h264"
        self._sink = _Sink()
        sink: Any = self._sink
        self._output = av.open(sink, "w", format="matroska", options=_OPTIONS)
        # Nothing of a template may be used once its container is closed.
        self._stream: VideoStream | None = None
        if not self._encodes:
            self._stream = self._output.add_stream_from_template(template)
        self._parser = Parser()
        self._head: list[bytes] = []
        self._base = 0
        self._opened: int | None = None
        self._dts = -(1 << 62)
        self._forced = -(1 << 62)

    @property
    def encodes(self) -> bool:
        """Whether pictures are encoded anew."""
        return self._encodes

    def add(self, packet: av.Packet[VideoStream], shift: float) -> Iterator[Piece]:
        """The elements that are complete with a packet.

        Args:
            shift: seconds that its times are moved by, once they are divided.

        Raises:
            KeyFramesTooRare: no key frame comes.
        """
        if self._encodes:
            self._encode(packet, shift)
        else:
            self._copy(packet, shift)
        yield from self._cut()

    def finish(self) -> Iterator[Piece]:
        """What is left at the end."""
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
        pts = packet.pts if packet.pts is not None else dts
        # Cameras repeat times, and go back in them.
        self._dts = max(self._dts + 1, self._milliseconds(dts * packet.time_base, shift))
        packet.pts = max(self._milliseconds(pts * packet.time_base, shift), self._dts)
        packet.dts, packet.time_base = self._dts, _MILLISECONDS
        assert self._stream
        packet.stream = self._stream
        self._output.mux(packet)

    def _encode(self, packet: av.Packet[VideoStream], shift: float) -> None:
        try:
            frames = packet.decode()
        except FFmpegError:
            return
        for frame in frames:
            if frame.time is None:
                continue
            time = self._milliseconds(frame.time, shift)
            if time <= self._dts:
                continue
            self._dts = time
            stream = self._stream or self._add_encoder(frame)
            picture = frame.reformat(stream.width, stream.height, format="yuv420p")
            picture.pts, picture.time_base = time, _MILLISECONDS
            picture.pict_type = PictureType.NONE
            if time - self._forced >= _KEY_FRAMES * 1000:
                picture.pict_type = PictureType.I
                self._forced = time
            self._output.mux(stream.encode(picture))

    def _milliseconds(self, seconds: float | Fraction, shift: float) -> int:
        return round((float(seconds) / self._speed + shift) * 1000)

    def _add_encoder(self, frame: av.VideoFrame) -> VideoStream:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": "250", "forced-idr": "1"}
        stream = self._output.add_stream("libx264", rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = frame.width & ~1, frame.height & ~1
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _MILLISECONDS
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
                    yield from self._place(contents.read_block(element))

    def _place(self, block: contents.Block) -> Iterator[Piece]:
        time = self._base + block.offset
        if block.key and (self._opened is None or time - self._opened >= _SHORTEST * 1000):
            self._opened = time
            yield Piece(b"", opens=True, time=time)
        if self._opened is None:
            return  # what comes before the first key frame cannot be decoded
        offset = time - self._opened
        if offset > LONGEST * 1000:
            raise KeyFramesTooRare
        body = b"\x81" + offset.to_bytes(2, "big", signed=True) + bytes([block.key << 7])
        data = ebml.element(ebml.SIMPLE_BLOCK, body + block.data)
        yield Piece(data, opens=False, time=time)


class _Sink:
    """What FFmpeg writes to."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        """Keep what it writes."""
        self._held += data
        return len(data)

    def drain(self) -> bytes:
        """Return all that is kept, and keep it no longer."""
        held = bytes(self._held)
        self._held.clear()
        return held
