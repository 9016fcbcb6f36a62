"""A service with two packs, photos, and a collection to upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from facedex.runtime import model_packs
from tests.integration.streaming import Configure, Stage
from tests.integration.upgrades.staff import Staff
from tests.model_copies import shorten


@pytest.fixture
def models(
    service: None, stage: Stage, dlib_directory: Path, tmp_path: Path, configure: Configure
) -> Iterator[Path]:
    """Return the service with the packs dlib (default) and short, and the collection "staff"."""
    directory = tmp_path / "models"
    shorten(dlib_directory, directory, "short", 901)
    (directory / "dlib").symlink_to(dlib_directory)
    configure(MODELS=directory, PACK="dlib")
    model_packs._shelf.cache_clear()
    client = stage.client("rekognition")
    client.delete_collection(CollectionId="staff")
    client.create_collection(CollectionId="staff")
    yield directory
    model_packs._shelf.cache_clear()


@pytest.fixture
def photos(data: Path, tmp_path: Path, portraits: dict[str, bytes]) -> Path:
    """Return photos of eight people, with a folder each, and two portraits."""
    folder = tmp_path / "photos"
    for number in range(1, 9):
        (folder / f"s{number}").mkdir(parents=True)
        for take in (1, 2):
            with Image.open(data / "att_faces" / f"s{number}" / f"{take}.pgm") as photo:
                wide = photo.convert("RGB").resize((368, 448))
                wide.save(folder / f"s{number}" / f"{take}.png")
    for name, content in portraits.items():
        (folder / f"{name}.jpg").write_bytes(content)
    return folder


@pytest.fixture
def staff(stage: Stage, database_url: str, photos: Path, models: Path) -> Staff:
    return Staff(stage.client("rekognition"), database_url, photos, models)
