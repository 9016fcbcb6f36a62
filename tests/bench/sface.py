"""SFace on one thread: 8 bits compared with floats, for one and two chips."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
from PIL import Image

from facedex.vision.sessions import Network
from tests.bench.measuring import best, milliseconds, portrait, ratio, report, side_by_side
from tests.bench.sface_files import ours


def main() -> None:
    with Image.open(io.BytesIO(portrait())) as picture:
        chip = np.asarray(picture.convert("RGB").resize((112, 112)))
    both = np.stack([chip, chip[:, ::-1]])
    lines = []
    with ours() as paths:
        floats, quantised = (Network(path, threads=1) for path in paths)
        for chips in (both[:1], both):
            slow, fast = side_by_side(
                [partial(network.run, chips) for network in (floats, quantised)], rounds=60
            )
            lines.append(
                f"{len(chips)} chips: floats {milliseconds(slow)} (best {best(slow)}), 8 bits"
                f" {milliseconds(fast)} (best {best(fast)}): {1 / ratio(slow, fast):.2f} of the"
                f" time (best {min(fast) / min(slow):.2f})"
            )
    report("SFace, one thread", *lines)


if __name__ == "__main__":
    main()
