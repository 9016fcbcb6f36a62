"""The keyboard's place is kept, and pages have names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

_FOCUSED = """() => {
    const element = document.activeElement;
    if (element === document.body) return "body";
    return [element.id || element.className, element.title, element.innerText].join(" ");
}"""


def focused(page: Page) -> str:
    """Return what has the focus, after the page has been drawn."""
    page.wait_for_timeout(300)
    found: str = page.evaluate(_FOCUSED)
    return found


def test_the_focus_returns_from_a_dialog_to_where_it_was(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/console/")
    create = page.get_by_role("button", name="Create a collection")
    dialog = page.get_by_role("dialog")
    for last_key in ("Enter", "Escape"):
        create.press("Enter")
        dialog.get_by_label("Name").fill("focused")
        page.keyboard.press(last_key)
        dialog.wait_for(state="detached")
        assert "Create a collection" in focused(page)
    server.client("rekognition").delete_collection(CollectionId="focused")


def test_the_focus_stays_near_what_is_deleted(page: Page, server: Server, crew: str) -> None:
    rekognition = server.client("rekognition")
    for user in ("ann", "bob"):
        rekognition.create_user(CollectionId=crew, UserId=user)
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Users").click()
    for user, place in (("bob", "rows"), ("ann", "main")):
        button = page.get_by_role("button", name=f"Delete the user {user}")
        button.press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
        button.wait_for(state="detached")
        assert focused(page).startswith(place)


def test_a_page_that_is_opened_has_the_focus_and_a_title(
    page: Page, server: Server, crew: str
) -> None:
    page.goto(f"{server.url}/console/")
    page.get_by_role("link", name=crew).press("Enter")
    page.get_by_role("tab", name="Users").wait_for()
    assert focused(page).startswith("main")
    assert page.title() == f"{crew} · Facedex"
    page.keyboard.press("Tab")
    assert "Faces" in focused(page)
    page.get_by_role("link", name="Who is this?").press("Enter")
    page.get_by_role("heading", name="Who is this?").wait_for()
    assert focused(page).startswith("main")
    assert page.title() == "Who is this? · Facedex"
    page.locator("footer select").select_option("de")
    page.get_by_role("heading", name="Wer ist das?").wait_for()
    page.wait_for_timeout(300)
    assert page.title() == "Wer ist das? · Facedex"
    page.evaluate("localStorage.removeItem('facedex-language')")
