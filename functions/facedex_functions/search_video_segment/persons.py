"""Grouping of a job's tracks into persons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facedex.media.people import SAME_PERSON, Appearance, merge
from facedex.store.timelines import TrackEnds
from facedex.vision.calibration import Calibration
from facedex.vision.faces import Box


def group_tracks(tracks: Sequence[TrackEnds], calibration: Calibration) -> list[list[TrackEnds]]:
    """Return the tracks of each person, in the order of first appearance.

    Args:
        tracks: the tracks of all segments.
        calibration: calibration of the pack that made their vectors.
    """
    appearances = [
        Appearance(
            track.task,
            track.start,
            track.end,
            Box(*track.first[:4]),
            Box(*track.last[:4]),
            np.frombuffer(track.vector, dtype=np.float32),
            track.views,
            track.clear,
        )
        for track in tracks
    ]
    groups = merge(appearances, cosine=calibration.cosine(SAME_PERSON))
    return [[tracks[index] for index in each] for each in groups]
