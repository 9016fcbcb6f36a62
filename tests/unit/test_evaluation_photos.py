"""Photos of an evaluation: which files count, and formats that the product itself does not read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facedex.vision.vision_errors import ImageTooLarge, InvalidImage
from facedex_cli.commands import evaluate
from facedex_cli.evaluation import memory, photos, sets
from facedex_cli.evaluation.evaluation_errors import EvaluationError

RAMP = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
HIDDEN = ("@eaDir/ann/1.jpg/SYNOPHOTO_THUMB_M.jpg", "ann/@eaDir/1.jpg", ".old/1.jpg", "ann/.2.jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for name in ("ann/1.jpg", "ann/deep/2.jpg", "ben/1.jpg", *HIDDEN):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"photo")
    return folder


def test_photos_that_cannot_be_compared_in_memory_are_counted_before_the_work() -> None:
    memory.require([10_000, 10_000], memory=8 << 30)
    with pytest.raises(EvaluationError, match=r"^To compare every two of 110,000 photos needs mo"):
        memory.require([10_000, 100_000], memory=64 << 30)


def test_a_lack_of_memory_is_reported_in_one_sentence() -> None:
    with (
        pytest.raises(click.ClickException, match=r"^There is not enough memory to compare all"),
        evaluate._plain_errors(),
    ):
        np.empty(1 << 50)


def test_thumbnails_and_deleted_photos_of_the_system_are_nobodys_photos(folder: Path) -> None:
    found = sets.folder_per_person(folder)
    assert found.photos == (folder / "ann/1.jpg", folder / "ann/deep/2.jpg", folder / "ben/1.jpg")
    assert found.names == ("ann", "ann", "ben")


def test_thumbnails_and_deleted_photos_of_the_system_are_no_strangers(folder: Path) -> None:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as writing:
        for file in folder.rglob("*.jpg"):
            writing.write(file, file.relative_to(folder))
    visible = ["ann/1.jpg", "ann/deep/2.jpg", "ben/1.jpg"]
    for source in (folder, archive):
        assert [str(photo) for photo in photos.found(source)] == [
            str(source / name) for name in visible
        ]


def _pgm(path: Path) -> None:
    path.write_bytes(b"P5 64 64 65535\n" + RAMP.astype(">u2").tobytes())


def _tiff(path: Path) -> None:
    Image.fromarray(RAMP).save(path)


@pytest.mark.parametrize(("name", "write"), [("1.pgm", _pgm), ("1.tiff", _tiff)])
def test_greys_of_16_bits_are_read_as_those_of_8_bits(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    pixels: NDArray[np.uint8] = photos.read(tmp_path / name).pixels
    assert (pixels == (RAMP >> 8)[..., None]).all()


def test_transparent_pixels_are_white_as_in_a_png(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (32, 32), (255, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 16, 32))
    for name in ("1.webp", "1.png"):
        picture.save(tmp_path / name, lossless=True)
        pixels = photos.read(tmp_path / name).pixels
        assert (pixels[:, :16] == 255).all()
        assert (pixels[:, 16:] == (255, 0, 0)).all()


@pytest.mark.parametrize("name", ["1.webp", "1.tiff", "1.jpg"])
def test_a_turned_photo_is_read_upright(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    Image.new("RGB", (48, 32)).save(tmp_path / name, exif=exif)
    assert photos.read(tmp_path / name).pixels.shape == (48, 32, 3)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_damaged_tiff_raises_nothing_but_the_two_errors(tmp_path: Path) -> None:
    file = tmp_path / "1.tiff"
    Image.new("1", (2, 2)).save(file)
    whole = file.read_bytes()
    refused = 0
    for place in range(50, 70):  # some of the tags
        for value in range(8):
            file.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                photos.read(file)
            except (InvalidImage, ImageTooLarge):
                refused += 1
    assert refused
