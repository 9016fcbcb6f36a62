"""Pages of other sites reach nothing on the port, and pages of allowed origins reach everything."""

from __future__ import annotations

from typing import Any

import pytest

from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.origins import Fence, Origins, parse_origin
from tests.unit.asking import answer_of, ask, environ

APP = "https://app.example"
HOST = "localhost:9000"
ALLOWED = {"origins": Origins([APP])}
# The headers of a browser for an image, a script, a link, a form and a frame of another site.
FETCH = {
    "image": ("GET", "no-cors", "image"),
    "script": ("GET", "no-cors", "script"),
    "frame": ("GET", "navigate", "iframe"),
    "form": ("POST", "navigate", "document"),
    "link": ("GET", "navigate", "document"),
}
# The headers that the AWS SDK for JavaScript v3 sends from a browser.
SDK_HEADERS = (
    "amz-sdk-invocation-id,amz-sdk-request,authorization,content-type,x-amz-content-sha256,"
    "x-amz-date,x-amz-security-token,x-amz-target,x-amz-user-agent,x-amz-meta-my_key"
)


def fetch(kind: str, target: str = "/photos/ann.jpg", **headers: str) -> dict[str, Any]:
    method, mode, destination = FETCH[kind]
    return environ(
        method,
        target,
        b"",
        host=HOST,
        sec_fetch_mode=mode,
        sec_fetch_dest=destination,
        **headers,
    )


def preflight(target: str, **headers: str) -> dict[str, Any]:
    asked = {"access_control_request_method": "POST", "host": HOST, "origin": APP}
    return environ("OPTIONS", target, b"", **asked, **headers)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("kind", ["image", "script", "frame", "form"])
@pytest.mark.parametrize("target", ["/photos/ann.jpg", "/v1/collections", "/docs", "/health"])
def test_a_foreign_page_embeds_and_sends_nothing(target: str, kind: str, site: str) -> None:
    status, _, body = ask(fetch(kind, target, sec_fetch_site=site))
    assert status == "403 Forbidden"
    assert b"--allow-origin" in body


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_of_a_foreign_page_shows_an_object(site: str) -> None:
    assert ask(fetch("link", sec_fetch_site=site))[2] == b"elsewhere"


@pytest.mark.parametrize(
    "query", ["Action=SendMessage", "a=1&Action=Publish", "%41ction=DeleteQueue", "Action="]
)
def test_a_link_of_a_foreign_page_requests_no_action(query: str) -> None:
    status = ask(fetch("link", f"/1/queue?{query}", sec_fetch_site="cross-site"))[0]
    assert status == "403 Forbidden"


@pytest.mark.parametrize("site", ["none", "same-origin"])
@pytest.mark.parametrize("kind", ["image", "link"])
def test_the_user_and_our_own_pages_open_objects(kind: str, site: str) -> None:
    assert ask(fetch(kind, sec_fetch_site=site))[2] == b"elsewhere"


@pytest.mark.parametrize("host", ["photos.localhost:9000", "photos.s3.localhost:9000"])
def test_a_bucket_is_no_origin_that_may_call(host: str) -> None:
    for target in ("/v1/collections", "/photos"):
        request = environ("POST", target, host=host, origin=f"http://{host}")
        assert ask(request)[0] == "403 Forbidden"


def test_objects_are_shown_in_a_sandbox_whatever_they_say() -> None:
    async def stored(exchange: Exchange) -> None:
        headers = [
            ("Content-Type", "text/html"),
            ("content-security-policy", "default-src *"),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
            ("Access-Control-Allow-Origin", "*"),
            ("access-control-allow-credentials", "true"),
        ]
        await exchange.answer(Answer(200, headers, b"<script>"))

    request = environ("GET", "/photos/page.html", host=HOST)
    for application in (Fence(stored, Origins()), Fence(stored, Origins([APP]))):
        answer = answer_of(application, request | {})
        headers = {name.lower(): value for name, value in answer.headers}
        names = [name.lower() for name, _ in answer.headers]
        assert names.count("content-security-policy") == 1
        assert names.count("cross-origin-resource-policy") == 1
        assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not any(name.startswith("access-control") for name in headers)


def test_a_fence_admits_no_foreign_page() -> None:
    async def write(exchange: Exchange) -> None:
        raise AssertionError("a foreign page was admitted")

    request = environ("PUT", "/photos/a", host=HOST, origin="http://evil.example")
    assert answer_of(Fence(write, Origins()), request).status == 403


@pytest.mark.parametrize("target", ["/", "/v1/collections", "/photos/ann.jpg", "/1/queue"])
def test_an_allowed_page_may_send_what_the_sdk_sends(target: str) -> None:
    names = {"access_control_request_headers": SDK_HEADERS}
    status, headers, body = ask(preflight(target, **names), **ALLOWED)
    assert (status, body) == ("200 OK", b"")
    assert headers["Access-Control-Allow-Origin"] == APP
    assert headers["Access-Control-Allow-Headers"] == SDK_HEADERS
    assert {"POST", "PUT", "DELETE"} <= set(headers["Access-Control-Allow-Methods"].split(", "))
    assert "Origin" in headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in headers


def test_an_allowed_page_reads_answers_with_their_headers() -> None:
    request = environ("GET", "/photos/ann.jpg", host=HOST, origin=APP)
    _, headers, body = ask(request, **ALLOWED)
    assert body == b"elsewhere"
    assert headers["Access-Control-Allow-Origin"] == APP
    assert "content-length" in headers["Access-Control-Expose-Headers"]
    error = ask(environ("POST", "/v1/nothing", host=HOST, origin=APP), **ALLOWED)
    assert error[0] == "404 Not Found"
    assert error[1]["Access-Control-Allow-Origin"] == APP
    assert "x-amzn-requestid" in error[1]["Access-Control-Expose-Headers"]


def test_an_allowed_page_embeds_objects() -> None:
    request = fetch("image", sec_fetch_site="cross-site", referer=f"{APP}/album?page=2")
    _, headers, body = ask(request, **ALLOWED)
    assert body == b"elsewhere"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Referer" in headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.evil.example",
        "https://evil.example",
        "http://app.example",
        "https://app.example:444",
        "null",
        "*",
        f"{APP},https://evil.example",
    ],
)
def test_allowing_an_origin_allows_no_other(origin: str) -> None:
    for request in (
        preflight("/photos/a") | {"HTTP_ORIGIN": origin},
        environ("PUT", "/photos/a", host=HOST, origin=origin),
        fetch("image", sec_fetch_site="cross-site", referer=f"{origin}/"),
    ):
        status, headers, _ = ask(request, **ALLOWED)
        assert status == "403 Forbidden"
        assert not any(name.lower().startswith("access-control") for name in headers)


def test_requests_for_foreign_names_are_refused_for_allowed_pages_too() -> None:
    request = preflight("/") | {"HTTP_HOST": "evil.example"}
    assert ask(request, **ALLOWED)[0] == "403 Forbidden"


@pytest.mark.parametrize("names", ["a b", "x\r\nSet-Cookie: a", "a,,b", ""])
def test_malformed_names_of_headers_are_not_repeated(names: str) -> None:
    status, headers, _ = ask(preflight("/", access_control_request_headers=names), **ALLOWED)
    assert status == "200 OK"
    assert "Access-Control-Allow-Headers" not in headers


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example", APP),
        (" HTTPS://App.Example:443/ ", APP),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_read_as_browsers_send_it(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "",
        "app.example",
        "https://*.example",
        "https://app.example/page",
        "ftp://app.example",
        "https://ann@app.example",
        "https://app.example:port",
        "https://a.example https://b.example",
    ],
)
def test_what_is_no_single_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        parse_origin(text)


def test_a_response_that_passes_two_processes_has_each_header_once() -> None:
    origins = Origins([APP])
    request = environ("GET", "/photos/ann.jpg", b"", host=HOST, origin=APP)
    stored = [("Server", "AmazonS3"), ("Vary", "Accept-Encoding"), ("ETag", "1")]
    once = origins.amend(request, stored, theirs=True)
    twice = origins.amend(request, [("Server", "facedex"), *once], theirs=True)
    names = [name.lower() for name, _ in twice]
    assert "server" not in names  # the HTTP server adds its own
    assert [value for name, value in twice if name.lower() == "vary"] == [
        "Accept-Encoding",
        "Origin, Referer",
    ]
    assert all(names.count(name) == 1 for name in set(names) - {"vary"})
