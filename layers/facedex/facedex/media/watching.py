"""Detection and tracking of the faces of a live stream, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from facedex.media.following import LONGEST_SIDE, MOST_FACES
from facedex.media.tracking import Probe, Tracker
from facedex.observability import metrics
from facedex.observability.recording import record

if TYPE_CHECKING:
    from facedex.media.pacing import Moment
    from facedex.vision.faces import Face
    from facedex.vision.images import Image
    from facedex.vision.packs import Pack


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face in a frame.

    Attributes:
        track: number of its track.
        probe: the vector to search with, whose version increases when a new search makes sense;
            None while no view is good enough.
    """

    face: Face
    track: int
    probe: Probe | None


class Watcher:
    """Detector and tracker of faces; memory depends only on the number of faces in view.

    Args:
        pack: detects and embeds the faces.
        longest_side: size at which faces are detected, in pixels.
    """

    def __init__(self, pack: Pack, *, longest_side: int = LONGEST_SIDE) -> None:
        self._pack = pack
        self._longest_side = longest_side
        self._tracker = Tracker(pack, endless=True)
        self._size: tuple[int, int] | None = None

    def see(self, moment: Moment, image: Image) -> list[Seen]:
        """Return the faces of the next frame, the largest first."""
        size = (image.width, image.height)
        # Faces are tracked in pixels, so a change of size ends all tracks.
        if moment.jumped or size != self._size:
            self._tracker.cut()
        self._size = size
        faces = self._pack.find(
            image, longest_side=self._longest_side, limit=MOST_FACES, thorough=False
        )
        numbers = self._tracker.see(moment.timestamp, image, faces)
        record(metrics.FRAMES, 1, "live")
        return [
            Seen(face, number, probe)
            for face, number, probe in zip(
                faces, numbers, self._tracker.probes(numbers), strict=True
            )
        ]
