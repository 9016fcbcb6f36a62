"""Adding and deleting a camera in the console, as a person does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def add_camera(page: Page, name: str, collection: str | None = None) -> None:
    """Add a camera on the page of cameras, and open its page.

    Args:
        page: with the cameras.
        name: of the camera.
        collection: that is searched; the one that is offered if None.
    """
    page.get_by_role("button", name="Add a camera").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    if collection is not None:
        dialog.get_by_label("Collection").select_option(collection)
    dialog.get_by_role("button", name="Add a camera").click()
    page.get_by_role("link", name=name).click()


def stop_camera(page: Page) -> None:
    """Stop a camera on its page."""
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("STOPPED").wait_for()


def delete_camera(page: Page) -> None:
    """Stop and delete the only camera, on its page."""
    stop_camera(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="There are no cameras yet.").wait_for()
