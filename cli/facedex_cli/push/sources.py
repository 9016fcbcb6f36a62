"""Sources of video: a file, a network camera, or a camera of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from facedex.media.clocks import RESTARTING, Jumps, mended, usual_duration, without_repetitions
from facedex.media.display_order import corrected, is_misguessed
from facedex.media.film_errors import FilmError
from facedex_cli.push import showing
from facedex_cli.push.showing import Showing
from facedex_cli.stream_errors import SourceLost, StreamError

_OPENING: Final = 10.0  # seconds within which a camera must answer
_SILENCE: Final = 10.0  # seconds without a frame after which a camera counts as lost
_PROBING: Final = "1000000"  # microseconds of video that FFmpeg analyses before the first packet
_DEVICES: Final = "/dev/video"
_UNTIMED: Final = 50  # packets that wait for the first that states a time


@dataclass(frozen=True, slots=True)
class Source:
    """A source of video.

    Attributes:
        address: a file, ``rtsp://...``, or ``/dev/video0``.
        transport: the transport of RTSP video, ``tcp`` or ``udp``.
    """

    address: str
    transport: str = "tcp"

    @property
    def live(self) -> bool:
        """True for a camera, which sends in real time and can return after it was lost."""
        return self.address.startswith(("rtsp://", "rtsps://", _DEVICES))

    @property
    def name(self) -> str:
        """The address without a password, for display.

        Cameras take it before the host, and some in a query or in the path
        (``/live?user=ann&password=…``).
        """
        if "://" not in self.address:
            return self.address
        try:
            parts = urlsplit(self.address)
        except ValueError:  # a bracket that does not enclose an IPv6 address
            return f"{self.address.partition('://')[0]}://…"
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        before, equals, _ = shown.partition("=")
        return f"{before}=…" if equals else shown

    @contextmanager
    def open(self) -> Iterator[InputContainer]:
        """Open the source while the block runs.

        Raises:
            SourceLost: if a camera does not answer.
            StreamError: if the source cannot be read and trying again would not help.
        """
        try:
            container = self._open()
        except FFmpegError as error:
            reason = f"{self.name} cannot be opened ({error.strerror or error})."
            raise (SourceLost(reason) if self.live else StreamError(reason)) from None
        except ValueError as error:
            raise StreamError(f"{self.name} cannot be opened ({error}).") from None
        with container:
            if not container.streams.video:
                raise StreamError(f"{self.name} has no video.")
            if self.live and not _is_known(container.streams.video[0]):
                raise SourceLost(f"{self.name} has not sent a key frame yet.")
            yield container

    def examine(self) -> Showing:
        """Return how a player shows the source.

        Raises:
            StreamError: if it is a file that cannot be read, or without a film.
        """
        if self.live:
            return Showing()
        try:
            with self.open() as container:
                track = showing.find_track(container)  # may read far ahead
        except FilmError as error:
            raise StreamError(f"{self.name} cannot be pushed. {error}") from None
        with self.open() as container:
            return showing.examine(container, track)

    def seek(self, container: InputContainer, stream: VideoStream, seconds: float) -> None:
        """Continue with the latest key frame at or before a time of a file, or an earlier one.

        Args:
            container, stream: the file and its track, of which nothing has been read.
            seconds: the time by the track's own clock.
        """
        # In formats with a clock that may jump, the same time may be at several places.
        if container.format.name not in RESTARTING:
            with suppress(FFmpegError):  # it is read from its beginning then
                container.seek(floor(seconds / (stream.time_base or 1)), stream=stream)

    def packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[av.Packet[av.VideoStream]]:
        """Yield the packets of a video track of the source until its end.

        Where the clock of the source goes back, or that of MPEG-TS and MPEG-PS leaps, times
        continue. A packet without any time gets a decoding time: it follows the packet before it.
        Those at the beginning, as in a film that was cut, precede the first that states a time.

        Raises:
            SourceLost: if a camera sends nothing or its connection breaks.
            StreamError: if a file cannot be read to its end.
        """
        try:
            packets: Iterator[av.Packet[av.VideoStream]] = container.demux(stream)
            if "mp4" not in container.format.name:  # the parts of an edit list overlap
                packets = mended(packets, Jumps(container, stream))
            packets = corrected(container, stream, packets)
            if container.format.name in RESTARTING:
                packets = without_repetitions(packets)
            yield from _timed(packets, only_decoded=is_misguessed(container, stream))
        except FFmpegError as error:
            reason = f"{self.name} cannot be read further ({error.strerror or error})."
            raise (SourceLost(reason) if self.live else StreamError(reason)) from None

    def _open(self) -> InputContainer:
        options: dict[str, Any] = {}
        if self.address.startswith(("rtsp://", "rtsps://")):
            options = {
                # With sound, a camera whose video stops would not be silent.
                "options": {
                    "rtsp_transport": self.transport,
                    "analyzeduration": _PROBING,
                    "allowed_media_types": "video",
                },
                "timeout": (_OPENING, _SILENCE),
            }
        elif self.address.startswith(_DEVICES):
            options = {"format": "v4l2", "timeout": (_OPENING, _SILENCE)}
        elif not Path(self.address).is_file():
            folder = Path(self.address).is_dir()
            reason = "it is a folder" if folder else "there is no such file"
            scheme = self.address.partition("://")[0]
            if scheme != self.address:
                reason = f"a camera's address begins with rtsp:// or rtsps://, not {scheme}://"
            raise ValueError(reason)
        container: InputContainer = av.open(self.address, "r", metadata_errors="replace", **options)
        return container


def _is_known(stream: VideoStream) -> bool:
    """Return whether FFmpeg knows the codec and the size of the pictures."""
    return stream.codec_context is not None and bool(stream.codec_context.width)


def _timed(
    packets: Iterator[av.Packet[av.VideoStream]], *, only_decoded: bool
) -> Iterator[av.Packet[av.VideoStream]]:
    following = 0  # ticks
    for packet in _begun(packets):
        if packet.size:
            if packet.dts is None:
                packet.dts = packet.pts if packet.pts is not None else following
            packet.duration = packet.duration or usual_duration(packet.stream)
            following = packet.dts + packet.duration
            if only_decoded:
                packet.pts = None
        yield packet


def _begun(
    packets: Iterator[av.Packet[av.VideoStream]],
) -> Iterator[av.Packet[av.VideoStream]]:
    """Yield packets, with a decoding time for the first one if a later one states a time."""
    early: list[av.Packet[av.VideoStream]] = []
    before = 0  # ticks from the first packet to this one
    for packet in packets:
        early.append(packet)
        stated = packet.dts if packet.dts is not None else packet.pts
        if stated is not None:
            if before:
                early[0].dts = stated - before
            break
        if not packet.size or len(early) == _UNTIMED:
            break
        before += packet.duration or usual_duration(packet.stream)
    yield from early
    yield from packets
