"""A worker's time with a stream: read, decode, look, search, write; until it is handed over."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from time import monotonic, sleep, time
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from facedex.media.decoding import Decoder, Shot
from facedex.media.matroska.live import Coded, Ending, Event, Opening
from facedex.media.orientation import to_image
from facedex.media.pacing import Pace
from facedex.media.watching import Watcher
from facedex.settings import Settings
from facedex.store.database import Database
from facedex.store.errors import DatabaseUnavailable, LeaseLost
from facedex.store.stream_runs import Checkpoint, Lease
from facedex.vision.packs import Pack
from facedex_functions.run_stream_processor.feed import Feed
from facedex_functions.run_stream_processor.gallery import Gallery, Matches
from facedex_functions.run_stream_processor.heartbeat import Heartbeat
from facedex_functions.run_stream_processor.output import Output, OutputFailed
from facedex_functions.run_stream_processor.records import frame_record
from facedex_functions.run_stream_processor.sources import (
    Place,
    PlaceGone,
    Source,
    SourceLost,
    SourceRefused,
)

_TICK: Final = 0.25  # seconds between looks at what else there is to do
_QUIET: Final = 1.0  # seconds without media after which nothing is held back for more of it
_FIRST_PAUSE: Final = 0.5  # seconds between two connections; they double while nothing comes
_LONGEST_PAUSE: Final = 2.0  # where a stream is only silent
_LONGEST_LOSS: Final = 10.0  # where it does not answer
_STALLED: Final = 30.0  # seconds without media after which the owner is told
_BROKEN: Final = 100  # frames in a row that cannot be decoded, after which the owner is told
_END: Final = 15.0  # seconds over time in which the fragment under way may end
_FLUSH: Final = 5.0  # seconds for the last records

_SILENT: Final = (
    f"No media that can be read has come for more than {_STALLED:.0f} seconds; it is waited for."
)
_UNDECODABLE: Final = f"More than {_BROKEN} frames in a row could not be decoded."

_logger: Final = logging.getLogger(__name__)


class Session:
    """One worker's run of a stream processor.

    Args:
        lease: what it works on.
        beat: says whether to go on.
        source: where the media comes from.
        output: where records go.
        seconds: for which it works.
        function: name of the Lambda function, which tells this deployment's metrics from others'.
    """

    def __init__(
        self,
        lease: Lease,
        beat: Heartbeat,
        source: Source,
        output: Output,
        *,
        database: Database,
        pack: Pack,
        settings: Settings,
        seconds: float,
        function: str,
    ) -> None:
        self._definition = lease.processor.definition
        self._beat, self._source, self._output = beat, source, output
        self._settings, self._function = settings, function
        self._until = monotonic() + seconds
        self._decoder = Decoder()
        self._pace = Pace(settings.stream_rate)
        self._watcher = Watcher(pack)
        self._gallery = Gallery(database, self._definition, pack)
        held = lease.checkpoint
        # From the start on, so that nothing is missed that comes while a worker is found.
        self._place = (
            Place(token=held.continuation_token)
            if held and held.continuation_token
            else Place(since=None if held else lease.started_at)
        )
        self._opening: Opening | None = None
        self._last: tuple[str, float] = ("", 0.0)  # the frame that was read last
        # Seconds since 1970, by the service's clock: how far reading is; where it left off to go on
        # at live, until a record says so.
        self._reached = held.server_timestamp if held else None
        self._left: float | None = None
        self._due: tuple[Opening, Ending] | None = None
        self._heard = monotonic()
        self._pause = _FIRST_PAUSE
        self._refused: float | None = None

    def run(self) -> None:
        """Work until time is over or the owner stops it; everything that was read is written.

        Raises:
            LeaseLost: it is another's.
            OutputFailed, SourceRefused, MatroskaError: it cannot go on.
            CollectionNotFound: there is nothing to search any more.
            ModelMismatch: the collection is another model's by now, for the next worker.
        """
        try:
            self._work()
        except (LeaseLost, OutputFailed):
            raise
        except Exception:
            # What was seen before that is told all the same.
            self._output.flush(_FLUSH, stopping=True)
            raise
        self._output.flush(_FLUSH, stopping=not self._beat.check())

    def _work(self) -> None:
        """Read, connection after connection, until time is over or the owner stops it."""
        while self._beat.check() and monotonic() < self._until:
            longest = _LONGEST_PAUSE
            feed = Feed(partial(self._source.events, self._place))
            try:
                self._follow(feed)
            except PlaceGone:
                _logger.warning("%s goes on at live: its place is gone.", self._definition.name)
                self._place, self._left = Place(), self._reached
            except SourceLost as error:
                self._beat.note("source", f"{error} It is tried again.")
                longest = _LONGEST_LOSS
            except SourceRefused as error:
                self._refused = self._refused or monotonic()
                if monotonic() - self._refused > error.patience:
                    raise
                self._beat.note("source", f"{error} It is tried again.")
            else:
                self._heed_silence()
            finally:
                feed.close()
            self._settle(self._decoder.drain())
            if self._beat.check() and monotonic() < self._until:
                self._wait(longest)

    def _follow(self, feed: Feed) -> None:
        """Work through what a connection gives, until it ends, or the session does."""
        while self._beat.check():
            self._output.check()
            event = feed.take(_TICK)
            if event is not None:
                self._heard, self._refused = monotonic(), None
                self._beat.note("source", None)
                if self._react(event):
                    return
            elif feed.over:
                return
            elif monotonic() - self._heard > _QUIET:
                self._settle(self._decoder.drain())
                self._heed_silence()
            over = monotonic() - self._until
            if over > _END or (over > 0 and self._opening is None):
                return

    def _heed_silence(self) -> None:
        if monotonic() - self._heard > _STALLED:
            self._beat.note("source", _SILENT)

    def _react(self, event: Event) -> bool:
        """Take an event; whether to give up the connection."""
        match event:
            case Opening():
                self._opening = event
                self._settle(self._decoder.open(event))
            case Coded():
                self._settle(self._decoder.decode(event))
                broken = self._decoder.failed >= _BROKEN
                self._beat.note("frames", _UNDECODABLE if broken else None)
            case Ending():
                self._pause = _FIRST_PAUSE
                opening, self._opening = self._opening, None
                if opening:
                    self._reach(opening)
                    self._store()  # the one before, whatever was lost of it
                    self._due = (opening, event)
                    self._settle(())
                if event.continuation_token:
                    self._place = Place(token=event.continuation_token)
                return self._is_behind(opening, event)
        return False

    def _settle(self, shots: Iterable[Shot]) -> None:
        """Look at frames, and note the fragments that are done with them."""
        for shot in shots:
            self._look(shot)
        if self._due and not self._decoder.owes(self._due[0]):
            self._store()

    def _store(self) -> None:
        """Have it noted how far this is, once everything up to there is written."""
        if self._due is None:
            return
        (opening, ending), self._due = self._due, None
        self._offer(
            Checkpoint(
                opening.number,
                ending.continuation_token or "",
                opening.server_timestamp,
                opening.producer_timestamp,
            )
        )

    def _look(self, shot: Shot) -> None:
        place = (shot.opening.number, shot.offset)
        # A connection that was lost in the middle of a fragment begins with it again.
        if place[0] and place[0] == self._last[0] and place[1] <= self._last[1]:
            return
        self._last = place
        moment = self._pace.choose(shot.at)
        if moment is None:
            return
        seen = self._watcher.see(moment, to_image(shot.frame, pixel_aspect=shot.pixel_aspect))
        matches: list[Matches] | None = None
        while matches is None:
            try:
                matches = self._gallery.match(seen)
            except DatabaseUnavailable as error:
                # If it does not come back in time, another worker has to go on.
                _logger.warning("%s", error)
                self._beat.check()
                sleep(_TICK)
        self._offer(
            frame_record(
                self._definition.video_stream_arn,
                shot,
                zip(seen, matches, strict=True),
                skipped=self._skipped(shot),
            )
        )

    def _offer(self, item: bytes | Checkpoint) -> None:
        while not self._output.offer(item, _TICK):
            self._output.check()
            if not self._beat.check():
                return  # stopped: what is not written is not asked for any more

    def _reach(self, opening: Opening) -> None:
        """Keep how far reading is, where the service tells its time."""
        if opening.server_timestamp is not None:
            offset = self._last[1] if self._last[0] == opening.number else 0.0
            self._reached = opening.server_timestamp + offset

    def _skipped(self, shot: Shot) -> float:
        """Seconds that were left out before this frame, which is the first behind them."""
        left, self._left = self._left, None
        if left is None or shot.opening.server_timestamp is None:
            return 0.0
        return max(0.0, shot.opening.server_timestamp + shot.offset - left)

    def _is_behind(self, opening: Opening | None, ending: Ending) -> bool:
        """Whether to leave out what comes between here and live."""
        if ending.millis_behind_now is not None:
            behind = ending.millis_behind_now / 1000
        elif self._source.follows_clock and opening and opening.server_timestamp:
            behind = time() - opening.server_timestamp - (self._last[1] if self._last else 0)
        else:
            return False
        if behind <= self._settings.stream_behind:
            return False
        name = self._definition.name
        _logger.warning("%s was %.1f s behind and goes on at live.", name, behind)
        with single_metric(
            "StreamSkippedSeconds", MetricUnit.Seconds, behind, namespace="Facedex"
        ) as metric:
            metric.add_dimension("FunctionName", self._function)
            metric.add_dimension("StreamProcessor", name)
        self._place, self._left = Place(), self._reached
        return True

    def _wait(self, longest: float) -> None:
        """Wait before the next connection, longer each time that nothing has come of one."""
        end = monotonic() + self._pause
        self._pause = min(2 * self._pause, longest)
        while monotonic() < end and self._beat.check():
            self._output.check()
            sleep(min(_TICK, max(0.0, end - monotonic())))
