"""Tracks of the faces in one segment of a film."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from facedex.media import frames
from facedex.media.ranges import Source
from facedex.media.segments import Grid, Segment
from facedex.media.tracking import Track, Tracker

if TYPE_CHECKING:
    from facedex.vision.packs import Pack

# The size at which a frame is searched, in pixels of its longest side. A film shows a face many
# times, so it is searched at half the size of a photo: in a film of 1280 x 720, faces from 40
# pixels on.
LONGEST_SIDE: Final = 640
MOST_FACES: Final = 100


def follow(
    source: Source,
    segment: Segment,
    pack: Pack,
    *,
    rate: float,
    longest_side: int = LONGEST_SIDE,
    heartbeat: Callable[[int], None] | None = None,
) -> list[Track]:
    """Return the tracks of one segment of a film, in the order of first appearance.

    Args:
        source: the film's file.
        segment: the segment.
        pack: finds the faces and embeds them.
        rate: frames searched for each second of the film, as when it was cut into segments.
        longest_side: pixels; the size at which frames are searched.
        heartbeat: called with the film's time in ms at each frame that is searched; an exception
            that it raises ends the work.

    Raises:
        FilmError: if the segment cannot be decoded.
    """
    tracker = Tracker(pack)
    tracks: list[Track] = []
    for timestamp, image in frames.sample(source, segment, Grid(rate)):
        if heartbeat:
            heartbeat(timestamp)
        # A turned face that this frame does not show upright, others do: so a frame without faces
        # stays cheap.
        faces = pack.find(image, longest_side=longest_side, limit=MOST_FACES, thorough=False)
        tracker.see(timestamp, image, faces)
        tracks += tracker.pop_ended()
    tracker.cut()
    tracks += tracker.pop_ended()
    return sorted(tracks, key=lambda track: (track.sightings[0].timestamp, *_first_box(track)))


def _first_box(track: Track) -> tuple[float, ...]:
    return tuple(track.sightings[0].face.box)
