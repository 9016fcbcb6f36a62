"""Resizing of pictures, by all processors at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facedex.parallel import run_on_all

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

# Above twice the size, pixels are first averaged in blocks, which takes less time.
_AVERAGED = 2.0
_BAND = 80_000  # pixels of the result for which a thread is worth its start


def resize(picture: Image, width: int, height: int) -> Pixels:
    """Return a picture's pixels (rows, columns, 3) RGB in another size.

    The threads make bands of the result, which read pixels beyond their edges: the result is that
    of a single band, or one level apart where Pillow reduces a band's rows before its columns. It
    does not depend on the number of threads.
    """
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    columns, rows = picture.size
    if (columns, rows) == (width, height):
        return np.asarray(picture)
    enlarged = width > columns or height > rows
    kernel = pillow.Resampling.LANCZOS if enlarged else pillow.Resampling.BILINEAR
    times = max(1, int(min(columns / width, rows / height) / _AVERAGED))
    if times > 1:
        picture = picture.reduce(times)
    right, bottom = columns / times, rows / times
    count = max(1, width * height // _BAND)
    edges = [height * number // count for number in range(count + 1)]
    resized = np.empty((height, width, 3), dtype=np.uint8)

    def fill(number: int) -> None:
        first, last = edges[number], edges[number + 1]
        lower = bottom if last == height else bottom * last / height
        box = (0, bottom * first / height, right, lower)
        resized[first:last] = np.asarray(picture.resize((width, last - first), kernel, box))

    run_on_all(range(count), fill)
    return resized
