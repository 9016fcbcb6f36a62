"""Sending of a source to a stream in real time, with reconnection to both after failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import av

from facedex.media.display_order import is_misguessed
from facedex.media.matroska import contents
from facedex_cli.push.acknowledgements import Acknowledgement
from facedex_cli.push.fragments import KeyFramesTooRare, MustEncode, Muxer, Piece
from facedex_cli.push.progress import Progress
from facedex_cli.push.service import Service
from facedex_cli.push.session import PutMedia
from facedex_cli.push.sources import Source
from facedex_cli.stream_errors import ServiceLost, SourceLost

_FIRST_WAIT: Final = 1.0  # seconds; doubled with each failure
_LONGEST_WAIT: Final = 30.0
# Milliseconds by which a camera's clock may differ from this machine's before the push
# re-synchronises them.
_DRIFT: Final = 1000


@dataclass(slots=True)
class _Place:
    """Where a push is in a video file; times are those with which its pictures are sent.

    Attributes:
        started: when time 0 was due, in seconds of the monotonic clock; None at the beginning.
        shift: seconds added to the times of this repetition of the file.
        opened: time of the latest fragment, in milliseconds.
        sent: time of the latest picture, in milliseconds.
    """

    started: float | None = None
    shift: float = 0.0
    opened: int = 0
    sent: int = 0


class Push:
    """The sending of one source to one stream.

    Args:
        source: the source.
        service: the stream.
        loop: whether to repeat a video file when it ends.
        speed: how many times faster than real time a video file is sent; its times are divided by
            this.
        encode: whether to re-encode the video even if that is not necessary.
        duration: seconds after which the push ends, or None.
        show: called with the progress after every change.
    """

    def __init__(
        self,
        source: Source,
        service: Service,
        *,
        loop: bool,
        speed: float,
        encode: bool,
        duration: float | None,
        show: Callable[[Progress], None],
    ) -> None:
        self.progress = Progress()
        self._source = source
        self._service = service
        self._loop = loop
        self._speed = speed
        self._encode = encode
        self._show = show
        self._end = time.monotonic() + duration if duration is not None else None
        self._session: PutMedia | None = None
        self._connected = False
        self._retry_at = 0.0
        self._service_wait = self._source_wait = _FIRST_WAIT
        # Times in milliseconds since 1970: of the source's time 0, of the current fragment, and of
        # the latest frame.
        self._anchor: float | None = None
        self._opened_wall = 0
        self._wall = 0
        self._opened = 0  # time of the current fragment by the source's clock, in milliseconds
        self._place = _Place()

    def run(self) -> None:
        """Push until the source or the duration ends.

        Raises:
            StreamError: if the push cannot continue.
            ServiceLost: if the first connection to the service fails.
        """
        resumed: _Place | None = None
        try:
            while not self._over():
                try:
                    if self._play(resumed):
                        break
                except MustEncode as error:
                    rare = isinstance(error, KeyFramesTooRare)  # perhaps after hours
                    resumed = self._place if rare and not self._source.live else None
                    self._encode = True
                    self._end_session()
                    self._show_note(f"{error}; re-encoding it")
                except SourceLost as error:
                    self._end_session()
                    self._show_note(f"{error} Trying again in {self._source_wait:.0f} s.")
                    self._pause(self._source_wait)
                    self._source_wait = min(_LONGEST_WAIT, self._source_wait * 2)
            self._end_session()
        except KeyboardInterrupt:
            self._end_session()
            raise
        finally:
            self._abandon_session()

    def _play(self, resumed: _Place | None) -> bool:
        """Push the source, repeatedly if it loops, and return True when it has ended.

        Args:
            resumed: where to continue in a file, with encoding; None to begin.

        Raises:
            SourceLost: if a camera's video ends.
            MustEncode: if the video must be re-encoded.
        """
        showing = self._source.examine()
        if showing.change and not self._encode:
            raise MustEncode(showing.change)
        muxer: Muxer | None = None
        latest = 0.0  # seconds from the beginning until the end of what was read
        place = self._place = resumed or _Place()
        if not resumed:
            self._anchor = None
        while True:
            shift = resumed.shift if resumed else None
            with self._source.open() as container:
                video = showing.stream(container)
                muxer = muxer or Muxer(
                    video,
                    encode=self._encode,
                    speed=self._speed,
                    misguessed=is_misguessed(container, video),
                    after=resumed.sent if resumed else None,
                )
                if resumed:
                    seconds = (resumed.opened / 1000 - resumed.shift) * self._speed
                    self._source.seek(container, video, seconds)
                    resumed = None
                for packet in self._source.packets(container, video):
                    # Pictures outside an edit list are only decoded, for those that refer to them.
                    hidden = packet.is_discard and muxer.encodes
                    span = None if hidden else _span(packet)
                    if span:
                        if shift is None:  # wherever the source's clock begins
                            shift = place.shift = latest - span[0] / self._speed
                        if place.started is None:
                            place.started = time.monotonic()
                            if not self._source.live:
                                # Set before the connection exists: set later, it would shift the
                                # times of frames into the future.
                                self._anchor = time.time() * 1000
                        if not self._source.live:
                            due = place.started + span[0] / self._speed + shift
                            self._pause(due - time.monotonic())
                        latest = max(latest, span[1] / self._speed + shift)
                    if self._over():
                        return True
                    for piece in muxer.add(packet, shift or 0.0):
                        self._send(piece, muxer.header)
                        place.opened = piece.time if piece.opens else place.opened
                        place.sent = max(place.sent, piece.time)
            if self._source.live:
                raise SourceLost(f"{self._source.name} has ended.")
            if not self._loop:
                for piece in muxer.finish():
                    self._send(piece, muxer.header)
                return True

    def _send(self, piece: Piece, header: bytes) -> None:
        try:
            if self._session is None and not (piece.opens and self._reconnect(header)):
                return
            assert self._session
            data = piece.data
            if piece.opens:
                data = contents.open_cluster(self._open(piece.time))
                self.progress.fragments += 1
            else:
                # Frames can be displayed in a different order than they are sent in.
                at = self._opened_wall + piece.time - self._opened
                self.progress.seconds += max(0, at - self._wall) / 1000 if self._wall else 0
                self._wall = max(self._wall, at)
            self._count(self._session.send(data))
            self.progress.size += len(data)
            self._source_wait = _FIRST_WAIT
            self._show(self.progress)
        except ServiceLost as error:
            self._lose(error)

    def _open(self, opened: int) -> int:
        """Begin a fragment and return its time in milliseconds since 1970.

        Args:
            opened: the fragment's time by the source's clock, in milliseconds.
        """
        now = time.time() * 1000
        offset = now - opened
        if self._anchor is None:
            self._anchor = offset
        elif self._source.live:
            # The minimum, because packets that FFmpeg buffered while it probed the source arrive
            # late, in a burst.
            drifted = abs(offset - self._anchor) > _DRIFT
            self._anchor = offset if drifted else min(self._anchor, offset)
        self._opened = opened
        self._opened_wall = max(round(self._anchor + opened), self._wall + 1)
        return self._opened_wall

    def _reconnect(self, header: bytes) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._session = self._service.connect()
        self._connected = True
        self._count(self._session.send(header))
        self.progress.note = ""
        return True

    def _lose(self, error: ServiceLost) -> None:
        """Continue without the service for some seconds; the source is read meanwhile.

        Raises:
            ServiceLost: if there has never been a connection.
        """
        self._abandon_session()
        if not self._connected:
            raise error
        self._retry_at = time.monotonic() + self._service_wait
        self._show_note(f"{error} Trying again in {self._service_wait:.0f} s.")
        self._service_wait = min(_LONGEST_WAIT, self._service_wait * 2)

    def _count(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        for each in acknowledgements:
            match each.event:
                case "RECEIVED":
                    self.progress.received += 1
                    self._service_wait = _FIRST_WAIT
                case "PERSISTED":
                    self.progress.persisted += 1
                case "ERROR":
                    self.progress.refused += 1
                    raise ServiceLost(f"The service rejected a fragment: {each.error}.")

    def _pause(self, seconds: float) -> None:
        """Wait for some seconds, and read acknowledgements meanwhile."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0:
            if self._session is None:
                time.sleep(min(remaining, 0.2))
            else:
                try:
                    self._count(self._session.listen(min(remaining, 0.2)))
                except ServiceLost as error:
                    self._lose(error)
            self._show(self.progress)
            if self._over():
                return

    def _end_session(self) -> None:
        if self._session:
            # The service may have received fragments that it has not acknowledged, so a missing
            # acknowledgement is not an error.
            with suppress(ServiceLost):
                self._count(self._session.finish())
            self._abandon_session()
            self._show(self.progress)

    def _abandon_session(self) -> None:
        if self._session:
            self._session.close()
            self._session = None

    def _over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def _show_note(self, note: str) -> None:
        self.progress.note = note
        self._show(self.progress)


def _span(packet: av.Packet[av.VideoStream]) -> tuple[float, float] | None:
    """Return a packet's decoding time and the end of its frame's display, in seconds."""
    if packet.dts is None or packet.time_base is None:
        return None
    pts = packet.pts if packet.pts is not None else packet.dts
    ends = (pts + (packet.duration or 0)) * packet.time_base
    return float(packet.dts * packet.time_base), float(ends)
