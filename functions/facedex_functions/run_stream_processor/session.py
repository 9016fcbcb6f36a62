"""A worker's session with a live stream: it reads, decodes, tracks, searches and writes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from time import monotonic, sleep, time
from typing import Final

from facedex.aws.live_sources import (
    LiveSource,
    Position,
    PositionGone,
    SourceLost,
    SourceRefused,
)
from facedex.media.decoding import Decoder, Shot
from facedex.media.matroska.live import Coded, Ending, Event, Opening
from facedex.media.orientation import to_image
from facedex.media.pacing import Pace
from facedex.media.watching import Watcher
from facedex.observability import metrics, recording
from facedex.runtime.logs import get_logger
from facedex.runtime.metrics import record_metric
from facedex.settings import Settings
from facedex.store.store_errors import DatabaseUnavailable, LeaseLost
from facedex.store.stream_runs import Checkpoint, RunLease
from facedex.store.timelines import SimilarFace
from facedex.vision.packs import Pack
from facedex.workflows.heartbeat import StreamHeartbeat
from facedex.workflows.matching import LiveMatcher
from facedex_functions.run_stream_processor.read_ahead import ReadAhead
from facedex_functions.run_stream_processor.record_writer import RecordWriter, WritingFailed
from facedex_functions.run_stream_processor.records import frame_record

_TICK: Final = 0.25  # seconds between checks of heartbeat and writer
_QUIET: Final = 1.0  # seconds without media after a fragment, until the decoder is drained
_FIRST_PAUSE: Final = 0.5  # seconds between two connections, doubled while no media arrives
_LONGEST_PAUSE: Final = 2.0  # for a stream that is only silent
_LONGEST_LOSS: Final = 10.0  # for a source that does not answer
_STALLED: Final = 30.0  # seconds without media after which the owner is informed
_BROKEN: Final = 100  # consecutive undecodable frames after which the owner is informed
_END: Final = 15.0  # seconds after the session's time in which the current fragment may end
_FLUSH: Final = 5.0  # seconds for the last records

_SILENT: Final = (
    f"No readable media has arrived for more than {_STALLED:.0f} seconds; the worker waits."
)
_UNDECODABLE: Final = f"More than {_BROKEN} consecutive frames could not be decoded."

_logger: Final = get_logger(__name__)


class Session:
    """One worker's session with the stream of a processor.

    Args:
        lease: the worker's lease.
        heartbeat: extends the lease, and reports requests to stop.
        source: the source of the media.
        writer: writes the records.
        matcher: matches the faces in view.
        pack: detects and embeds the faces.
        settings: settings of the process.
        seconds: duration of the session.
    """

    def __init__(
        self,
        lease: RunLease,
        heartbeat: StreamHeartbeat,
        source: LiveSource,
        writer: RecordWriter,
        matcher: LiveMatcher,
        pack: Pack,
        *,
        settings: Settings,
        seconds: float,
    ) -> None:
        self._definition = lease.processor.definition
        self._heartbeat, self._source, self._writer = heartbeat, source, writer
        self._matcher, self._settings = matcher, settings
        self._until = monotonic() + seconds
        self._decoder = Decoder()
        self._pace = Pace(settings.stream_rate)
        self._watcher = Watcher(pack)
        checkpoint = lease.checkpoint
        # A new run begins at its start time, to miss nothing that arrived before its worker.
        self._position = (
            Position(token=checkpoint.continuation_token)
            if checkpoint and checkpoint.continuation_token
            else Position(since=None if checkpoint else lease.started_at)
        )
        self._opening: Opening | None = None  # of the current fragment
        self._last_frame: tuple[str, float] = ("", 0.0)  # fragment number, offset in seconds
        # Seconds since 1970, by the service's clock: the time that reading has reached, and that
        # at which skipping began, until a record reports it.
        self._reached = checkpoint.server_timestamp if checkpoint else None
        self._skipped_from: float | None = None
        self._read_fragment: tuple[Opening, Ending] | None = None  # not in a checkpoint yet
        self._media_at = monotonic()  # time of the latest media
        self._pause = _FIRST_PAUSE
        self._refused_at: float | None = None

    def run(self) -> None:
        """Work until the time has expired or the owner stops the processor, and write all records.

        Raises:
            LeaseLost: if another worker has the processor.
            WritingFailed: if the data stream accepts no records.
            SourceRefused: if the source refuses access.
            MatroskaError: if the media cannot be parsed.
            CollectionNotFound: if the collection was deleted.
            ModelMismatch: if the collection has another model by now, which the next worker uses.
        """
        try:
            with recording.untraced():
                self._read_connections()
        except (LeaseLost, WritingFailed):
            raise
        except Exception:
            # Write the records of the frames before the error.
            self._writer.flush(_FLUSH, stopping=True)
            raise
        self._writer.flush(_FLUSH, stopping=not self._heartbeat.report_progress())

    def _read_connections(self) -> None:
        """Read one connection after another until the time expires or the owner requests a stop."""
        while self._heartbeat.report_progress() and monotonic() < self._until:
            longest = _LONGEST_PAUSE
            events = ReadAhead(partial(self._source.events, self._position))
            try:
                self._read_connection(events)
            except PositionGone:
                _logger.warning(
                    "%s skips to live: its position is no longer available.", self._definition.name
                )
                self._skip_to_live()
            except SourceLost as error:
                self._heartbeat.set_trouble("source", f"{error} The worker retries.")
                longest = _LONGEST_LOSS
            except SourceRefused as error:
                self._refused_at = self._refused_at or monotonic()
                if monotonic() - self._refused_at > error.patience:
                    raise
                self._heartbeat.set_trouble("source", f"{error} The worker retries.")
            else:
                self._report_silence()
            finally:
                events.close()
            self._process_shots(self._decoder.drain())
            if self._heartbeat.report_progress() and monotonic() < self._until:
                self._wait_to_reconnect(longest)

    def _read_connection(self, events: ReadAhead) -> None:
        """Process the events of a connection until it or the session ends."""
        while self._heartbeat.report_progress():
            self._writer.check()
            event = events.next_event(_TICK)
            if event is not None:
                self._media_at, self._refused_at = monotonic(), None
                self._heartbeat.set_trouble("source", None)
                if self._process_event(event):
                    return
            elif events.ended:
                return
            elif monotonic() - self._media_at > _QUIET:
                # Within a fragment, the frames after the pause would refer to the drained ones and
                # could not be decoded. The end of the connection drains the decoder then.
                if self._opening is None:
                    self._process_shots(self._decoder.drain())
                self._report_silence()
            over = monotonic() - self._until
            if over > _END or (over > 0 and self._opening is None):
                return

    def _report_silence(self) -> None:
        if monotonic() - self._media_at > _STALLED:
            self._heartbeat.set_trouble("source", _SILENT)

    def _process_event(self, event: Event) -> bool:
        """Process an event; return whether to end the connection, to skip to live."""
        match event:
            case Opening():
                self._opening = event
                self._process_shots(self._decoder.open(event))
            case Coded():
                self._process_shots(self._decoder.decode(event))
                broken = self._decoder.failed >= _BROKEN
                self._heartbeat.set_trouble("frames", _UNDECODABLE if broken else None)
            case Ending():
                self._pause = _FIRST_PAUSE
                opening, self._opening = self._opening, None
                if opening:
                    self._note_reached(opening)
                    self._enqueue_checkpoint()  # of the previous fragment, even if it lost frames
                    self._read_fragment = (opening, event)
                    self._process_shots(())
                if event.continuation_token:
                    self._position = Position(token=event.continuation_token)
                return self._skip_if_behind(opening, event)
        return False

    def _process_shots(self, shots: Iterable[Shot]) -> None:
        """Analyse frames, and queue the checkpoint of the fragment that they complete."""
        for shot in shots:
            self._analyse(shot)
        if self._read_fragment and not self._decoder.owes(self._read_fragment[0]):
            self._enqueue_checkpoint()

    def _enqueue_checkpoint(self) -> None:
        """Queue the checkpoint of the fragment that was read, after its records."""
        if self._read_fragment is None:
            return
        (opening, ending), self._read_fragment = self._read_fragment, None
        self._enqueue(
            Checkpoint(
                opening.number,
                ending.continuation_token or "",
                opening.server_timestamp,
                opening.producer_timestamp,
            )
        )

    def _analyse(self, shot: Shot) -> None:
        """Track and search the faces of a frame, and queue its record."""
        fragment, offset = shot.opening.number, shot.offset
        # After a connection is lost in the middle of a fragment, the fragment is read again.
        if fragment and fragment == self._last_frame[0] and offset <= self._last_frame[1]:
            return
        self._last_frame = (fragment, offset)
        moment = self._pace.choose(shot.at)
        if moment is None:
            return
        faces = self._watcher.see(moment, to_image(shot.frame, pixel_aspect=shot.pixel_aspect))
        matches: list[list[SimilarFace]] | None = None
        while matches is None:
            try:
                matches = self._matcher.match(faces)
            except DatabaseUnavailable as error:
                # If the database does not recover in time, the lease expires.
                _logger.warning("%s", error)
                self._heartbeat.report_progress()
                sleep(_TICK)
        self._enqueue(
            frame_record(
                self._definition.video_stream_arn,
                shot,
                zip(faces, matches, strict=True),
                skipped=self._pop_skipped(shot),
            )
        )

    def _enqueue(self, item: bytes | Checkpoint) -> None:
        while not self._writer.enqueue(item, _TICK):
            self._writer.check()
            if not self._heartbeat.report_progress():
                return  # stopped: unwritten records may be dropped

    def _note_reached(self, opening: Opening) -> None:
        """Record the time that reading has reached, if the service timestamps its fragments."""
        if opening.server_timestamp is not None:
            fragment, offset = self._last_frame
            self._reached = opening.server_timestamp + (
                offset if fragment == opening.number else 0.0
            )

    def _skip_to_live(self) -> None:
        self._position, self._skipped_from = Position(), self._reached

    def _pop_skipped(self, shot: Shot) -> float:
        """Return the seconds skipped before a frame; only for the first frame after a skip."""
        skipped_from, self._skipped_from = self._skipped_from, None
        if skipped_from is None or shot.opening.server_timestamp is None:
            return 0.0
        return max(0.0, shot.opening.server_timestamp + shot.offset - skipped_from)

    def _skip_if_behind(self, opening: Opening | None, ending: Ending) -> bool:
        """Skip to live if reading is too far behind; return whether it was."""
        if ending.millis_behind_now is not None:
            behind = ending.millis_behind_now / 1000
        elif self._source.follows_clock and opening and opening.server_timestamp:
            behind = time() - opening.server_timestamp - self._last_frame[1]
        else:
            return False
        if behind <= self._settings.stream_behind:
            return False
        name = self._definition.name
        _logger.warning("%s was %.1f s behind and skips to live.", name, behind)
        record_metric(metrics.STREAM_SKIPPED, behind, name)
        self._skip_to_live()
        return True

    def _wait_to_reconnect(self, longest: float) -> None:
        """Wait before the next connection, longer after each one that brings no media."""
        end = monotonic() + self._pause
        self._pause = min(2 * self._pause, longest)
        while monotonic() < end and self._heartbeat.report_progress():
            self._writer.check()
            sleep(min(_TICK, max(0.0, end - monotonic())))
