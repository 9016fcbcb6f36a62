"""The console in Chromium: its first page, its size, a list of many faces, and the door.

Frames are those of requestAnimationFrame while the list scrolls. The door sees a film of a portrait
by Chromium's fake webcam. Run on a machine that does nothing else: Chromium draws without a GPU.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from facedex_cli.demo import portraits
from facedex_local import console
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries.filling import fill
from tests.bench.measuring import report
from tests.bench.serving import Product, serving
from tests.e2e.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_LIST, _DOOR = "many-faces", "door"
_SIDE = 640, 480  # of the webcam's pictures
_STARTS = 5
_WATCHED = 10  # seconds at the door

# Scroll for some seconds, so many pixels a frame, and return the milliseconds between frames.
_SCROLL = """([list, seconds, pixels]) => new Promise((resolve) => {
    const gaps = [];
    let last;
    const step = (now) => {
        if (last !== undefined) gaps.push(now - last);
        last = now;
        list.scrollTop += pixels;
        if (gaps.reduce((sum, gap) => sum + gap, 0) < seconds * 1000) requestAnimationFrame(step);
        else resolve(gaps);
    };
    requestAnimationFrame(step);
})"""
_SHIFT = """() => new Promise((resolve) => {
    let sum = 0;
    const add = (list) => { for (const each of list.getEntries()) sum += each.value };
    new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
    setTimeout(() => resolve(sum), 100);
})"""
# The moment at which the first page has its heading and its button, in milliseconds after the
# start of the navigation. The script waits for it from before the page's own scripts.
_INTERACTIVE = """
new MutationObserver((_, observer) => {
    if (!document.querySelector("main h1 ~ button")) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.interactive = performance.now() });
}).observe(document, {childList: true, subtree: true});
"""


def main(faces: int) -> None:
    _size()
    with tempfile.TemporaryDirectory(prefix="facedex-bench-") as folder, serving() as product:
        film = _webcam(Path(folder) / "webcam.y4m", portraits.fetch())
        client = product.client("rekognition")
        for name in (_LIST, _DOOR):
            client.create_collection(CollectionId=name)
        for name, photo in portraits.fetch().items():
            client.index_faces(CollectionId=_DOOR, Image={"Bytes": photo}, ExternalImageId=name)
        fill(product.database_url, _LIST, faces, manifest(DEFAULT).dimension)
        with opened(
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        ) as browser:
            _first_page(browser, product)
            _shifts(browser, product)
            _list(browser.new_page(), product, faces)
            _door(browser.new_page(), product)


def _shifts(browser: BrowserContext, product: Product) -> None:
    """Report how far what is drawn moves while pages load: Chromium's layout shift, 0 for none."""
    shifts = {}
    for path in ("", f"collections/{_DOOR}", "who", "door", "people", "cameras", "settings"):
        page = browser.new_page()
        page.goto(f"{product.server.url}/console/#/{path}")
        page.locator("h1").wait_for()
        page.wait_for_timeout(1500)
        shifts[path or "overview"] = page.evaluate(_SHIFT)
        page.close()
    report("layout shift", *(f"{name}: {shift:.3f}" for name, shift in shifts.items()))


def _size() -> None:
    """Report the files that the console may load, and those of its first page."""
    folder = Path(console.__file__).parent
    files = [each for each in folder.iterdir() if each.suffix in (".js", ".css", ".html")]
    total = sum(len(gzip.compress(each.read_bytes())) for each in files)
    report("files of the console", f"{total / 1000:.0f} kB gzipped", f"{len(files)} files")


def _first_page(browser: BrowserContext, product: Product) -> None:
    for cached in (False, True):
        times, sizes = [], []
        for _ in range(_STARTS):
            page = browser.new_page()
            page.add_init_script(_INTERACTIVE)
            if not cached:
                page.route("**/*", lambda route: route.continue_())  # turns the cache off
            page.goto(f"{product.server.url}/console/")
            page.get_by_role("link", name=_LIST).wait_for()
            times.append(page.evaluate("window.interactive"))
            loaded = "performance.getEntriesByType('resource').map(each => each.name)"
            sizes.append(len([n for n in page.evaluate(loaded) if "/console/" in n]))
            page.close()
        report(
            f"first page, {'cached' if cached else 'without cache'}",
            f"interactive after {statistics.median(times):.0f} ms",
            f"longest {max(times):.0f} ms",
            f"{sizes[-1]} files",
        )


def _list(page: Page, product: Product, faces: int) -> None:
    page.goto(f"{product.server.url}/console/#/collections/{_LIST}")
    page.get_by_role("listitem").first.wait_for()
    rows = page.locator(".rows").element_handle()
    page.evaluate(_SCROLL, [rows, 1, 40])  # the first second warms the scripts up
    # By a wheel, and by the scroll bar, which passes 30 rows a frame and fetches pages of faces.
    for pixels in (40, 2000):
        gaps = sorted(page.evaluate(_SCROLL, [rows, 10, pixels]))
        report(
            f"scrolling a list of {faces:,} faces, {pixels} pixels a frame",
            f"{1000 / statistics.mean(gaps):.1f} frames a second",
            f"median {statistics.median(gaps):.1f} ms, p99 {gaps[int(len(gaps) * 0.99)]:.1f} ms",
            f"longest {gaps[-1]:.0f} ms",
        )


def _door(page: Page, product: Product) -> None:
    page.goto(f"{product.server.url}/console/#/door")
    page.get_by_label("Collection").select_option(_DOOR)
    page.get_by_text("Welcome,").wait_for()
    waits: list[float] = []
    page.on(
        "requestfinished",
        lambda request: (
            waits.append(request.timing["responseEnd"]) if "/search" in request.url else None
        ),
    )
    page.wait_for_timeout(_WATCHED * 1000)
    waits.sort()
    report(
        "the door",
        f"{len(waits) / _WATCHED:.1f} looks a second",
        f"answer after {statistics.median(waits):.0f} ms",
        f"95 of 100 within {waits[int(len(waits) * 0.95)]:.0f} ms",
        page.locator(".stage small").inner_text(),
    )


def _webcam(film: Path, photos: dict[str, bytes]) -> Path:
    """Write a film of a portrait for Chromium's fake webcam, and return its path."""
    picture = Image.new("RGB", _SIDE, (90, 110, 90))
    source = film.with_suffix(".jpg")
    source.write_bytes(photos[min(photos)])
    with Image.open(source) as portrait:
        portrait.thumbnail(_SIDE)
        picture.paste(portrait, ((_SIDE[0] - portrait.width) // 2, 0))
    luma, *chroma = picture.convert("YCbCr").split()
    half = [each.resize((_SIDE[0] // 2, _SIDE[1] // 2)).tobytes() for each in chroma]
    header = f"YUV4MPEG2 W{_SIDE[0]} H{_SIDE[1]} F30:1 Ip A1:1 C420mpeg2\n".encode()
    film.write_bytes(header + (b"FRAME\n" + luma.tobytes() + b"".join(half)) * 30)
    return film


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    main(parser.parse_args().faces)
