"""The memory of functions that run, against what their configuration gives them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.deployed.account import Stack
from tests.deployed.conftest import MEASURED
from tests.deployed.workers import workers


def test_functions_stay_within_their_memory(
    stack: Stack, portraits: dict[str, bytes], pytestconfig: pytest.Config
) -> None:
    rekognition, name = stack.caller(), f"memory-{uuid4().hex}"
    rekognition.create_collection(CollectionId=name)
    photo = {"Bytes": portraits["eileen"]}
    rekognition.index_faces(CollectionId=name, Image=photo)
    rekognition.search_faces_by_image(CollectionId=name, Image=photo)
    rekognition.delete_collection(CollectionId=name)
    found = workers(stack)
    pytestconfig.stash[MEASURED] = [str(each) for each in found]
    assert found
    assert [each for each in found if each.peak > each.limit] == []
