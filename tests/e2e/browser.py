"""A real Chromium, and web servers whose pages it opens."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tools import do_without

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

# A foreign host name that points to this machine, as in an attack by DNS rebinding.
REBOUND = "rebound.example"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
)


@contextmanager
def opened(*arguments: str, profile: Path | None = None) -> Iterator[BrowserContext]:
    """Run Chromium while the block runs; skip the test if it is not installed.

    Args:
        arguments: further arguments of Chromium.
        profile: the folder where Chromium keeps files; else it keeps none.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed; Debian's package is chromium")
    if find_spec("playwright") is None:
        do_without("Playwright, which controls Chromium, is not installed")
    from playwright.sync_api import sync_playwright

    all_arguments = [*_ARGUMENTS, *arguments]
    with sync_playwright() as playwright:
        if profile:
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=program, args=all_arguments
            )
            yield context
            context.close()
            return
        chromium = playwright.chromium.launch(executable_path=program, args=all_arguments)
        yield chromium.new_context()
        chromium.close()


@contextmanager
def watched_page(
    context: BrowserContext, is_trouble: Callable[[ConsoleMessage], bool]
) -> Iterator[Page]:
    """Return an empty page for a block; the test fails if a script of the page fails.

    Args:
        context: the browser.
        is_trouble: returns whether a message that the page logs fails the test as well.
    """
    page = context.new_page()
    troubles: list[str] = []

    def look(message: ConsoleMessage) -> None:
        if is_trouble(message):
            troubles.append(message.text)

    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", look)
    yield page
    page.close()
    assert troubles == [], troubles


class _Page(BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>page</title><p id=shown>page</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_arguments: object) -> None:
        """Write no log."""


@contextmanager
def web_server() -> Iterator[int]:
    """Serve an empty page on a port of its own while the block runs, and return the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
