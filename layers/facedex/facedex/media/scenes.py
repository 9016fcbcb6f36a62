"""Detection of cuts between the shots of a film."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STEP: Final = 8  # distance between the pixels that are used
COLUMNS, ROWS = 16, 9  # size of a miniature
BINS: Final = 8  # number per colour in the histogram
# In a real film with much motion, sampled five times per second, all cuts pass both limits, and
# hardly any pair of frames within a shot does. A wrong cut costs little, as vectors join the parts.
ALIKE: Final = 0.4  # minimum correlation of miniatures within a shot
OTHER_COLOURS: Final = 0.15  # maximum: half the sum of differences of the histograms, 0..1


class Miniature:
    """A summary of a picture: 16 x 9 mean colours, and a histogram of its colours."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Summarise RGB pixels (rows, columns, 3)."""
        step = max(1, min(STEP, min(pixels.shape[:2]) // ROWS))
        few = pixels[::step, ::step]
        rows = np.linspace(0, few.shape[0], ROWS + 1).astype(int)[:-1]
        columns = np.linspace(0, few.shape[1], COLUMNS + 1).astype(int)[:-1]
        sums = np.add.reduceat(few.astype(np.float32), rows, axis=0)
        sums = np.add.reduceat(sums, columns, axis=1)
        heights = np.diff([*rows, few.shape[0]])[:, None, None]
        widths = np.diff([*columns, few.shape[1]])[None, :, None]
        self.colours: Floats = sums / np.maximum(heights * widths, 1)
        bins = (few >> 5).reshape(-1, 3).astype(np.intp) @ np.array([BINS * BINS, BINS, 1])
        counts = np.bincount(bins, minlength=BINS**3)
        self.histogram: Floats = (counts / counts.sum()).astype(np.float32)

    def is_other_shot(self, before: Miniature) -> bool:
        """Return whether there is a cut between an earlier picture and this one.

        At a cut, both the layout and the colours change. A moving camera changes only the layout,
        and a lamp that is switched on only the colours.
        """
        pair = [one.colours - one.colours.mean(axis=(0, 1)) for one in (self, before)]
        spread = float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1]))
        correlation = float((pair[0] * pair[1]).sum()) / max(spread, 1.0)
        recoloured = float(np.abs(self.histogram - before.histogram).sum()) / 2
        return correlation < ALIKE and recoloured > OTHER_COLOURS
