"""The small grey copies on which calibrations are measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image as pillow

from facedex_cli.evaluation.degrading import SIDE, degrade, main


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((80, 80), (SIDE, SIDE)), ((120, 60), (SIDE, SIDE // 2)), ((2, 500), (1, SIDE))],
)
def test_a_copy_is_grey_and_keeps_its_shape(
    size: tuple[int, int], reduced: tuple[int, int]
) -> None:
    copy = degrade(pillow.new("RGB", size, (200, 40, 90)))
    assert (copy.mode, copy.size) == ("L", reduced)
    assert copy.getpixel((0, 0)) == 94  # the luma of ITU-R 601


def test_every_photo_has_a_copy_at_the_same_place(tmp_path: Path) -> None:
    crops, copies = tmp_path / "crops", tmp_path / "copies"
    for name in ("ann/1.jpg", "bob.png"):
        (crops / name).parent.mkdir(parents=True, exist_ok=True)
        pillow.new("RGB", (80, 80)).save(crops / name)
    (crops / "notes.txt").write_text("no photo")
    result = CliRunner().invoke(main, [str(crops), str(copies), "--side=20"])
    assert result.exit_code == 0, result.output
    written = sorted(path for path in copies.rglob("*") if path.is_file())
    assert [path.relative_to(copies).as_posix() for path in written] == ["ann/1.png", "bob.png"]
    for path in written:
        with pillow.open(path) as copy:
            assert (copy.mode, copy.size) == ("L", (20, 20))
