"""The installed packs, for tests of vision."""

from __future__ import annotations

from pathlib import Path

import pytest

from facedex.vision import packs
from facedex.vision.attributes import networks
from facedex.vision.attributes.networks import AttributePack
from facedex.vision.packs import Pack


@pytest.fixture(scope="module")
def pack(pack_directory: Path) -> Pack:
    return packs.load(pack_directory)


@pytest.fixture(scope="module")
def attributes(attributes_directory: Path) -> AttributePack:
    loaded = networks.load(attributes_directory)
    assert loaded is not None
    return loaded
