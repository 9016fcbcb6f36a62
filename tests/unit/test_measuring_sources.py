from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image

from facedex_cli.evaluation.sources import pictures
from tests.media import making


def photo(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (shade,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def test_photos_are_read_alone_and_from_folders(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    for shade, name in enumerate(("alone.png", "folder/b.png", "folder/below/a.png")):
        (tmp_path / name).write_bytes(photo(shade))
    found = list(pictures([tmp_path / "alone.png", tmp_path / "folder"]))
    assert [(int(picture.pixels[0, 0, 0]), archived) for picture, archived in found] == [
        (0, False),
        (1, False),
        (2, False),
    ]


def test_every_13th_photo_of_an_archive_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "crops.zip", "w") as archive:
        archive.mkdir("crops")
        for number in reversed(range(30)):
            archive.writestr(f"crops/{number:02}.png", photo(number))
    found = list(pictures([tmp_path / "crops.zip"]))
    assert [(int(picture.pixels[0, 0, 0]), archived) for picture, archived in found] == [
        (0, True),
        (13, True),
        (26, True),
    ]


def test_frames_of_a_film_are_read_0_4_seconds_apart(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(making.film(making.steady(30), making.numbered()))
    found = list(pictures([tmp_path / "film.mp4"]))
    assert [making.number_of(picture.pixels) for picture, _ in found] == [0, 10, 20]
    assert not any(archived for _, archived in found)
