"""Duplicates in a collection are found and decided about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageOps

from tests.conftest import Server
from tests.e2e.photos import altered

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_collection_gets_clean(
    page: Page,
    server: Server,
    crew: str,
    visit: Callable[[str], None],
    photos: dict[str, Path],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    rekognition = server.client("rekognition")
    for name, photo in photos.items():
        view = altered(photo.read_bytes(), ImageOps.mirror)
        rekognition.index_faces(
            CollectionId=crew, Image={"Bytes": view}, ExternalImageId=f"{name}-again"
        )
    visit("people")
    page.get_by_text("Groups: 2 ·").wait_for()
    shoot("people")
    assert findings(page) == []
    first, second = sorted(photos)

    page.locator("form.group").filter(has_text=first).get_by_role(
        "button", name="One person"
    ).click()
    page.get_by_text("Groups: 1 ·").wait_for()
    page.locator("form.group").filter(has_text=second).get_by_role(
        "button", name="Different people"
    ).click()
    page.get_by_text("No faces look like one person").wait_for()

    found = rekognition.list_faces(CollectionId=crew)["Faces"]
    users = {face["ExternalImageId"]: face["UserId"] for face in found}
    assert users[first] == users[f"{first}-again"] == first
    assert users[second] == second
    assert users[f"{second}-again"] == f"{second}-again"
    page.reload()
    page.get_by_label("Collection").select_option(crew)
    page.get_by_text("No faces look like one person").wait_for()
