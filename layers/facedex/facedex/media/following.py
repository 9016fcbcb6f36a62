"""Tracking of the faces in one segment of a film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from facedex.media import frames
from facedex.media.damage import Damage
from facedex.media.ranges import Source
from facedex.media.recordings import Recording
from facedex.media.segments import Grid, Segment
from facedex.media.tracking import Track, Tracker
from facedex.observability import metrics
from facedex.observability.recording import record, untraced

if TYPE_CHECKING:
    from facedex.vision.faces import Face
    from facedex.vision.images import Image
    from facedex.vision.packs import Pack

# The size at which faces are detected in a frame, in pixels of the longest side. A film shows a
# face many times, so half the size of a photo suffices: in 1280 x 720, faces from 40 pixels.
LONGEST_SIDE: Final = 640
MOST_FACES: Final = 100


def follow(
    source: Source,
    segment: Segment,
    pack: Pack,
    recordings: Sequence[Recording] = (),
    *,
    rate: float,
    longest_side: int = LONGEST_SIDE,
    heartbeat: Callable[[int], None] | None = None,
    damage: Damage | None = None,
    measure: Callable[[Image, list[Face]], list[Face]] | None = None,
) -> list[Track]:
    """Return the tracks of one segment of a film, in the order of first appearance.

    Args:
        source: the film's file.
        segment: the segment.
        pack: detects and embeds the faces.
        recordings: the recordings in the film's file; none if it is one.
        rate: analysed frames per second of the film, the same as for the cut into segments.
        longest_side: size at which faces are detected, in pixels.
        heartbeat: called for each analysed frame with its time in ms; an exception that it raises
            ends the work.
        damage: counts the frames that cannot be decoded.
        measure: adds further attributes to the faces of an image; None to add none.

    Raises:
        FilmError: if the segment cannot be decoded.
    """
    tracker = Tracker(pack)
    tracks: list[Track] = []
    for timestamp, image in frames.sample(source, segment, Grid(rate), recordings, damage):
        if heartbeat:
            heartbeat(timestamp)
        # Not thorough, to save time: a face that is turned here is upright in other frames.
        with untraced():
            faces = pack.find(image, longest_side=longest_side, limit=MOST_FACES, thorough=False)
            if measure:
                faces = measure(image, faces)
            tracker.see(timestamp, image, faces)
        record(metrics.FRAMES, 1, "stored")
        tracks += tracker.pop_ended()
    tracker.cut()
    tracks += tracker.pop_ended()
    return sorted(tracks, key=lambda track: (track.sightings[0].timestamp, *_first_box(track)))


def _first_box(track: Track) -> tuple[float, ...]:
    return tuple(track.sightings[0].face.box)
