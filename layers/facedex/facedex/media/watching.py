"""The faces of a live stream, frame by frame, for as long as it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from facedex.media.following import LONGEST_SIDE, MOST_FACES
from facedex.media.tracking import Probe, Tracker

if TYPE_CHECKING:
    from facedex.media.pacing import Moment
    from facedex.vision.faces import Face
    from facedex.vision.images import Image
    from facedex.vision.packs import Pack


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face in a frame.

    Attributes:
        track: number of the face that it is, through the frames in which it is followed.
        probe: who that is, as far as can be told by now; its version grows when a search is
            worth repeating. None while no view of it says who it is.
    """

    face: Face
    track: int
    probe: Probe | None


class Watcher:
    """Finds and follows faces; memory depends on how many are in view alone.

    longest_side: of the picture that is searched, in pixels.
    """

    def __init__(self, pack: Pack, *, longest_side: int = LONGEST_SIDE) -> None:
        self._pack = pack
        self._longest_side = longest_side
        self._tracker = Tracker(pack, endless=True)
        self._size: tuple[int, int] | None = None

    def see(self, moment: Moment, image: Image) -> list[Seen]:
        """Return the faces of the next frame, the largest first."""
        size = (image.width, image.height)
        # Places of faces are followed in pixels.
        if moment.jumped or size != self._size:
            self._tracker.cut()
        self._size = size
        faces = self._pack.find(
            image, longest_side=self._longest_side, limit=MOST_FACES, thorough=False
        )
        numbers = self._tracker.see(moment.timestamp, image, faces)
        return [
            Seen(face, number, probe)
            for face, number, probe in zip(
                faces, numbers, self._tracker.probes(numbers), strict=True
            )
        ]
