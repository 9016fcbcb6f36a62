"""Small grey copies of photos, as from distant cameras.

For authors of packs: `python -m facedex_cli.evaluation.degrading SOURCE FOLDER` writes the second
of the two sets on which a pack's calibration is measured; see layers/models/README.md. Users of a
pack do not need this module.
"""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image as pillow

from facedex_cli.evaluation import photos

SIDE = 36  # pixels; in a tight crop the eyes are then 6 or 7 pixels apart


def degrade(picture: pillow.Image, side: int = SIDE) -> pillow.Image:
    """Return a grey copy whose longer side has `side` pixels."""
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.convert("L").resize(size, pillow.Resampling.BILINEAR)


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--side", default=SIDE, show_default=True, help="Pixels of the longer side.")
def main(source: Path, folder: Path, side: int) -> None:
    """Write a small grey copy of each photo below SOURCE to FOLDER, as PNG."""
    for path in photos.below(source):
        target = (folder / path.relative_to(source)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        with pillow.open(path) as picture:
            degrade(picture, side).save(target)


if __name__ == "__main__":
    main()
