"""Embedding of one aligned face on one thread, compared with dlib's own network."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from facedex.vision import packs
from facedex_models import installing
from tests.bench.measuring import milliseconds, portrait, ratio, report, side_by_side
from tests.bench.peers import Recipe


def main() -> None:
    recipe = Recipe()
    embedder = packs.load(installing.pull("dlib"), threads=1).embedder
    pixels = np.asarray(Image.open(io.BytesIO(portrait())))
    chip = recipe.chip(pixels)
    chips = np.repeat(chip[None], 8, axis=0)
    peer, one, both, batch = side_by_side(
        [
            lambda: recipe.embed(chip),
            lambda: embedder.networks[0].run(chips[:1]),
            lambda: embedder.embed((chips[None, :2],)),
            lambda: embedder.networks[0].run(chips),
        ],
        rounds=30,
    )
    report(
        "Embedding one face, one thread",
        f"dlib {milliseconds(peer)}",
        f"ours {milliseconds(one)}: {ratio(peer, one):.1f} x faster",
        f"ours in two views, as the product embeds a face, {milliseconds(both)}:"
        f" {ratio(peer, both):.1f} x faster",
        f"ours in a batch of 8, {milliseconds([time / 8 for time in batch])} a face",
    )


if __name__ == "__main__":
    main()
