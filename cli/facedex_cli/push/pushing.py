"""A source goes into a stream in real time, for as long as it lasts, whatever breaks meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import av

from facedex.media.matroska import contents
from facedex_cli.push.acknowledgements import Acknowledgement
from facedex_cli.push.fragments import KeyFramesTooRare, Muxer, Piece
from facedex_cli.push.progress import Progress
from facedex_cli.push.service import Service
from facedex_cli.push.session import PutMedia
from facedex_cli.push.sources import Source
from facedex_cli.stream_errors import ServiceLost, SourceLost

_FIRST_WAIT: Final = 1.0  # seconds; doubled with each failure
_LONGEST_WAIT: Final = 30.0
# Milliseconds by which a camera's clock may be off ours before its times are counted anew.
_DRIFT: Final = 1000


class Push:
    """A source on its way into a stream.

    Args:
        loop: whether a film begins again when it is over.
        speed: by what a film is faster than real time; its times are divided by it.
        encode: whether its pictures are encoded anew in any case.
        duration: seconds after which it ends, or None.
        show: told of all progress.
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
        self._anchor: float | None = None  # milliseconds since 1970 at the source's time 0
        self._opened_wall = 0  # milliseconds since 1970 of the fragment
        self._opened = 0  # time of the fragment, by the source's clock, in milliseconds
        self._wall = 0  # milliseconds since 1970 of the latest frame

    def run(self) -> None:
        """Push until the source or the time is over.

        Raises:
            StreamError: it cannot go on.
            ServiceLost: the service has never answered.
        """
        try:
            while not self._over():
                try:
                    if self._play():
                        break
                except KeyFramesTooRare:
                    self._encode = True
                    self._abandon_session()
                    self._tell("its key frames are too far apart; encoding it anew")
                except SourceLost as error:
                    self._end_session()
                    self._tell(f"{error} Trying again in {self._source_wait:.0f} s.")
                    self._pause(self._source_wait)
                    self._source_wait = min(_LONGEST_WAIT, self._source_wait * 2)
            self._end_session()
        except KeyboardInterrupt:
            self._end_session()
            raise
        finally:
            self._abandon_session()

    def _play(self) -> bool:
        """Push the source once, or over and over; whether it is over in good order."""
        muxer: Muxer | None = None
        shift = 0.0
        self._anchor = None
        started: float | None = None
        while True:
            latest = shift
            with self._source.open() as container:
                video = container.streams.video[0]
                muxer = muxer or Muxer(video, encode=self._encode, speed=self._speed)
                for packet in self._source.packets(container):
                    span = _span(packet)
                    if span:
                        if started is None:
                            shift = -span[0] / self._speed
                            started = time.monotonic()
                            if not self._source.live:
                                # Now, not once it is connected: it would be ahead of itself.
                                self._anchor = time.time() * 1000
                        if not self._source.live:
                            self._pause(started + span[0] / self._speed + shift - time.monotonic())
                        latest = max(latest, span[1] / self._speed + shift)
                    if self._over():
                        return True
                    for piece in muxer.add(packet, shift):
                        self._send(piece, muxer.header)
            if self._source.live:
                raise SourceLost(f"{self._source.name} has ended.")
            if not self._loop:
                for piece in muxer.finish():
                    self._send(piece, muxer.header)
                return True
            shift = latest

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
                # Frames are shown in another order than they are sent in.
                at = self._opened_wall + piece.time - self._opened
                self.progress.seconds += max(0, at - self._wall) / 1000 if self._wall else 0
                self._wall = max(self._wall, at)
            self._note(self._session.send(data))
            self.progress.size += len(data)
            self._source_wait = _FIRST_WAIT
            self._show(self.progress)
        except ServiceLost as error:
            self._lose(error)

    def _open(self, opened: int) -> int:
        """The time of a fragment that opens, in milliseconds since 1970."""
        now = time.time() * 1000
        behind = now - opened
        if self._anchor is None:
            self._anchor = behind
        elif self._source.live:
            # What was held back while the source was looked at comes in a burst.
            drifted = abs(behind - self._anchor) > _DRIFT
            self._anchor = behind if drifted else min(self._anchor, behind)
        self._opened = opened
        self._opened_wall = max(round(self._anchor + opened), self._wall + 1)
        return self._opened_wall

    def _reconnect(self, header: bytes) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._session = self._service.connect()
        self._connected = True
        self._note(self._session.send(header))
        self.progress.note = ""
        return True

    def _lose(self, error: ServiceLost) -> None:
        """Go on without the service, for a while: the source does not wait."""
        self._abandon_session()
        if not self._connected:
            raise error
        self._retry_at = time.monotonic() + self._service_wait
        self._tell(f"{error} Trying again in {self._service_wait:.0f} s.")
        self._service_wait = min(_LONGEST_WAIT, self._service_wait * 2)

    def _note(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        for each in acknowledgements:
            match each.event:
                case "RECEIVED":
                    self.progress.received += 1
                    self._service_wait = _FIRST_WAIT
                case "PERSISTED":
                    self.progress.persisted += 1
                case "ERROR":
                    self.progress.refused += 1
                    raise ServiceLost(f"The service has refused a fragment: {each.error}.")

    def _pause(self, seconds: float) -> None:
        """Wait, and hear meanwhile what the service says."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._session is None:
                time.sleep(min(left, 0.2))
            else:
                try:
                    self._note(self._session.listen(min(left, 0.2)))
                except ServiceLost as error:
                    self._lose(error)
            self._show(self.progress)
            if self._over():
                return

    def _end_session(self) -> None:
        if self._session:
            # What it has not acknowledged by now it may have all the same.
            with suppress(ServiceLost):
                self._note(self._session.finish())
            self._abandon_session()
            self._show(self.progress)

    def _abandon_session(self) -> None:
        if self._session:
            self._session.close()
            self._session = None

    def _over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def _tell(self, note: str) -> None:
        self.progress.note = note
        self._show(self.progress)


def _span(packet: av.Packet[av.VideoStream]) -> tuple[float, float] | None:
    """Seconds at which a packet is decoded, and at which its picture is over."""
    if packet.dts is None or packet.time_base is None:
        return None
    pts = packet.pts if packet.pts is not None else packet.dts
    ends = (pts + (packet.duration or 0)) * packet.time_base
    return float(packet.dts * packet.time_base), float(ends)
