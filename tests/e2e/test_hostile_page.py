"""A page of another site, in a real Chromium, reaches nothing; an allowed page reaches everything.

The hostile page is on another port of the same address, under another name, in a sandbox, or
planted in the server's own S3. It tries what ``hostile.js`` lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Server
from tests.e2e.browser import REBOUND, opened, web_server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_ATTACK = Path(__file__).with_name("hostile.js").read_text()
_IMAGE = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'
_SCRIPT = (
    "<script>document.title = 'ran'; fetch('/v1/collections', {method: 'POST', body:"
    " JSON.stringify({CollectionId: location.pathname.replace(/\\W/g, '-')})})</script>"
)
_PLANTED = {
    "page.html": ("text/html", f"<p>planted</p>{_SCRIPT}"),
    "page.svg": ("image/svg+xml", f'<svg xmlns="http://www.w3.org/2000/svg">{_SCRIPT}</svg>'),
    "page.xhtml": (
        "application/xhtml+xml",
        f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{_SCRIPT}</body></html>',
    ),
    # Browsers that look at the content take these for HTML.
    "page.bin": ("", f"<html>{_SCRIPT}</html>"),
    "page": ("unknown/unknown", f"<html>{_SCRIPT}</html>"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with opened() as context:
        yield context


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """Return the ports of a hostile site and of the user's own app."""
    with web_server() as hostile, web_server() as own:
        yield hostile, own


@pytest.fixture(scope="module")
def server(
    browser: BrowserContext,
    ports: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
    pack_directory: Path,
) -> Iterator[Server]:
    """Return a server that allows the pages of the user's own app, with things to attack."""
    running = Server(
        tmp_path_factory.mktemp("hostile") / "data",
        "--port=0",
        f"--allow-origin=http://localhost:{ports[1]}",
        FACEDEX_MODELS=str(pack_directory.parent),
    )
    s3 = running.client("s3")
    # Public, so that nothing but the judgement of pages protects the bucket.
    s3.create_bucket(Bucket="photos", ACL="public-read-write")
    public = {"Bucket": "photos", "ACL": "public-read-write"}
    for name in ("secret.svg", "secret.js", "secret.css"):
        kinds = {"svg": "image/svg+xml", "js": "text/javascript", "css": "text/css"}
        kind = kinds[name.rpartition(".")[2]]
        s3.put_object(**public, Key=name, Body=_IMAGE, ContentType=kind)
    for name, (kind, text) in _PLANTED.items():
        s3.put_object(**public, Key=name, Body=text.encode(), ContentType=kind)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def queue(server: Server) -> str:
    return str(server.client("sqs").create_queue(QueueName="faces")["QueueUrl"])


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    made = browser.new_page()
    yield made
    made.close()


def describe(server: Server, queue: str) -> Any:
    """Return everything that a page could have changed."""
    s3, sqs = server.client("s3"), server.client("sqs")
    buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    return (
        {
            bucket: [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
            for bucket in buckets
        },
        # The server makes its own queues some time after its start.
        [url for url in sqs.list_queues()["QueueUrls"] if "/facedex-" not in url],
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])[
            "Attributes"
        ],
        server.client("rekognition").list_collections()["CollectionIds"],
    )


def attack(page: Any, server: Server, queue: str, url: str) -> None:
    before = describe(server, queue)
    outcomes = page.evaluate(_ATTACK, {"url": url, "queue": queue})
    assert describe(server, queue) == before
    assert len(outcomes) > 20
    assert [name for name, succeeded in outcomes.items() if succeeded] == []


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost", REBOUND])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_site_writes_and_reads_nothing(
    page: Page, server: Server, ports: tuple[int, int], queue: str, name: str, site: str
) -> None:
    page.goto(f"http://{site}:{ports[0]}/")
    attack(page, server, queue, f"http://{name}:{urlsplit(server.url).port}")


def test_a_sandboxed_page_writes_and_reads_nothing(
    page: Page, server: Server, ports: tuple[int, int], queue: str
) -> None:
    # The page in the frame has the origin "null".
    page.goto(f"http://localhost:{ports[1]}/")
    page.evaluate(
        "() => { const frame = document.createElement('iframe');"
        " frame.sandbox = 'allow-scripts allow-forms'; frame.srcdoc = '<p>';"
        " document.body.append(frame) }"
    )
    page.wait_for_function("() => window.frames.length === 1")
    frame = page.frames[1]
    frame.wait_for_selector("p", state="attached")
    assert frame.evaluate("() => self.origin") == "null"
    attack(frame, server, queue, server.url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "photos.localhost"])
@pytest.mark.parametrize("name", _PLANTED)
def test_a_planted_page_runs_nothing(
    page: Page, server: Server, queue: str, name: str, host: str
) -> None:
    from playwright.sync_api import Error

    before = describe(server, queue)
    path = name if host.startswith("photos.") else f"photos/{name}"
    with suppress(Error):  # a browser saves what it cannot show
        answer = page.goto(f"http://{host}:{urlsplit(server.url).port}/{path}")
        assert answer
        assert answer.status == 200
    page.wait_for_timeout(300)
    assert page.title() != "ran"
    assert describe(server, queue) == before


def test_a_name_that_points_to_this_machine_shows_nothing(page: Page, server: Server) -> None:
    port = urlsplit(server.url).port
    for path in ("photos/page.html", "docs", "health", "v1/collections", "photos"):
        answer = page.goto(f"http://{REBOUND}:{port}/{path}")
        assert answer
        assert answer.status == 403


def test_a_link_shows_an_object(page: Page, server: Server, ports: tuple[int, int]) -> None:
    page.goto(f"http://localhost:{ports[0]}/")
    page.evaluate("(url) => { location.href = url }", f"{server.url}/photos/secret.svg")
    page.wait_for_url(f"{server.url}/photos/secret.svg")
    assert page.locator("svg").count() == 1


def test_swagger_ui_calls_the_api(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/docs")
    page.wait_for_selector(".opblock")
    status = page.evaluate("async () => (await fetch('/v1/collections')).status")
    assert status == 200


_CALL = """async (url) => {
  // The headers of the AWS SDK for JavaScript v3.
  const answer = await fetch(url, {
    method: "POST",
    body: "{}",
    headers: {
      "authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/rekognition/" +
        "aws4_request, SignedHeaders=host, Signature=0",
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "RekognitionService.ListCollections",
      "x-amz-date": "20260101T000000Z",
      "x-amz-content-sha256": "0",
      "x-amz-security-token": "token",
      "x-amz-user-agent": "aws-sdk-js/3",
      "amz-sdk-invocation-id": "id",
      "amz-sdk-request": "attempt=1; max=3",
    },
  });
  return [answer.status, answer.headers.get("x-amzn-requestid"), await answer.json()];
}"""
_UPLOAD = """async ([url, name]) => {
  const put = await fetch(url, {
    method: "PUT", body: "photo", headers: {"Content-Type": "image/jpeg", "x-amz-meta-a": "b"},
  });
  const image = new Image();
  const shown = await new Promise((resolve) => {
    image.onload = () => resolve(true);
    image.onerror = () => resolve(false);
    image.src = name;
  });
  const got = await fetch(url.split("?")[0]);
  const gone = await fetch(url.split("?")[0], {method: "DELETE"});
  return [put.status, put.headers.get("etag"), shown, await got.text(),
    got.headers.get("x-amz-meta-a"), gone.status];
}"""


def test_an_allowed_page_calls_the_api_and_s3(
    page: Page, server: Server, ports: tuple[int, int], queue: str
) -> None:
    before = describe(server, queue)
    page.goto(f"http://localhost:{ports[1]}/")
    status, request_id, body = page.evaluate(_CALL, server.url)
    assert status == 200
    assert request_id
    assert body["CollectionIds"] == before[-1]
    s3 = server.client("s3")
    parameters = {"Bucket": "photos", "Key": "app.jpg", "ACL": "public-read"}
    url = s3.generate_presigned_url("put_object", Params=parameters)
    arguments = [url, f"{server.url}/photos/secret.svg"]
    put, tag, shown, text, metadata, gone = page.evaluate(_UPLOAD, arguments)
    assert (put, shown, text, metadata, gone) == (200, True, "photo", "b", 204)
    assert tag
    assert describe(server, queue) == before
