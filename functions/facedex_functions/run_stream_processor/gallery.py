"""Whom the faces of a stream resemble; each is searched for once, and again when that may help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from facedex.media.watching import Seen
from facedex.store.database import Database
from facedex.store.search import Match, search
from facedex.store.stream_processors import Definition
from facedex.store.timelines import MOST_MATCHES
from facedex.vision.packs import Pack
from facedex.workflows.current_collection import find_same

# Seconds after which a face that stays is searched for again: the gallery may have changed.
_FRESH: Final = 10.0
_BATCH: Final = 8  # faces in one statement, so that no large gallery runs into its timeout

Matches = list[tuple[Match, float]]  # with similarities, 0..100


@dataclass(frozen=True, slots=True)
class _Answer:
    version: int
    at: float
    matches: Matches


class Gallery:
    """The collection of a stream processor, and what it has for the faces that are in view."""

    def __init__(self, database: Database, definition: Definition, pack: Pack) -> None:
        self._database, self._definition, self._pack = database, definition, pack
        self._lowest = pack.calibration.cosine(definition.threshold)
        self._known: dict[int, _Answer] = {}

    def match(self, found: Sequence[Seen]) -> list[Matches]:
        """The matches of each face of the next frame, best first.

        Raises:
            CollectionNotFound: the collection was deleted.
            ModelMismatch: its vectors are another pack's.
            DatabaseUnavailable: the database does not answer.
        """
        now = monotonic()
        due = [seen for seen in found if self._is_due(seen, now)]
        for first in range(0, len(due), _BATCH):
            batch = due[first : first + _BATCH]
            for seen, matches in zip(batch, self._search(batch), strict=True):
                assert seen.probe is not None
                self._known[seen.track] = _Answer(seen.probe.version, now, matches)
        in_view = {seen.track for seen in found}
        # A face that is overlooked for a frame keeps its number and needs no other search.
        self._known = {
            track: answer
            for track, answer in self._known.items()
            if track in in_view or now - answer.at < _FRESH
        }
        return [
            self._known[seen.track].matches if seen.track in self._known else [] for seen in found
        ]

    def _is_due(self, seen: Seen, now: float) -> bool:
        if seen.probe is None:
            return False
        known = self._known.get(seen.track)
        return known is None or seen.probe.version != known.version or now - known.at > _FRESH

    def _search(self, batch: Sequence[Seen]) -> list[Matches]:
        wanted = self._definition
        with self._database.transaction() as connection:
            collection = find_same(
                connection,
                wanted.collection_id,
                wanted.collection_key,
                self._pack.model_version,
                "",
            )
            answers = search(
                connection,
                collection,
                [seen.probe.vector for seen in batch if seen.probe],
                limit=MOST_MATCHES,
                min_score=self._lowest,
            )
        return [self._similar(matches) for matches in answers]

    def _similar(self, matches: Sequence[Match]) -> Matches:
        scores = [match.score for match in matches]
        similarities = self._pack.calibration.similarities(scores).tolist()
        return list(zip(matches, similarities, strict=True))
