"""Requests of web pages and hostile clients do not harm a running server."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import urllib3

if TYPE_CHECKING:
    from tests.conftest import Server

_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: RekognitionService.DetectFaces\r\n"
_HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def send(server: Server, *parts: bytes) -> str:
    """Send bytes, and return the response until the server closes the connection."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 60) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.makefile("rb").read().decode()


def read_error(text: str) -> tuple[str, Any]:
    head, _, body = text.partition("\r\n\r\n")
    return head.partition("\r\n")[0], json.loads(body)["__type"]


@pytest.mark.parametrize("length", [b"-1", b"five", b"+2", b"9" * 5000])
def test_a_malformed_length_is_a_modelled_error_and_ends_the_connection(
    server: Server, length: bytes
) -> None:
    text = send(server, _POST, b"Content-Length: " + length + b"\r\n\r\n")
    assert read_error(text) == ("HTTP/1.1 400 Bad Request", "SerializationException")


def test_a_chunk_of_a_gigabyte_is_refused_once_it_is_over_the_limit(server: Server) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 60) as connection:
        connection.sendall(_POST + b"Transfer-Encoding: chunked\r\n\r\n40000000\r\n")
        connection.sendall(bytes(16 << 20))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_over_the_limit_is_answered_and_not_cut_off(server: Server) -> None:
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    coding = b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = send(server, _POST, coding, *[chunk] * 20, b"0\r\n\r\n")
    assert read_error(text)[1] == "RequestEntityTooLargeException"


def test_a_refused_body_is_not_taken_for_the_next_request(server: Server) -> None:
    smuggled = b"POST /v1/collections HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(smuggled)
    text = send(server, _POST, b"Origin: http://evil.example\r\n", length, smuggled, _HEALTH)
    assert text.count("HTTP/1.1 ") == 2
    assert text.startswith("HTTP/1.1 403 ")


def test_a_page_of_another_site_changes_nothing(server: Server) -> None:
    headers = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    body = b'{"CollectionId": "made-by-evil"}'
    answer = urllib3.request("POST", f"{server.url}/v1/collections", body=body, headers=headers)
    assert (answer.status, answer.json()["__type"]) == (403, "AccessDeniedException")
    preflight = urllib3.request("OPTIONS", f"{server.url}/", headers=headers)
    assert preflight.status == 403
    assert not any(name.lower().startswith("access-control") for name in preflight.headers)
    assert "made-by-evil" not in server.client("rekognition").list_collections()["CollectionIds"]


def test_swagger_ui_can_try_the_api(server: Server) -> None:
    assert urllib3.request("GET", f"{server.url}/docs").status == 200
    body = b'{"CollectionId": "tried-in-the-docs"}'
    headers = {"Origin": server.url, "Content-Type": "application/json"}
    answer = urllib3.request("POST", f"{server.url}/v1/collections", body=body, headers=headers)
    assert answer.status == 200
    server.client("rekognition").delete_collection(CollectionId="tried-in-the-docs")


def test_a_request_for_a_foreign_host_name_is_refused(server: Server) -> None:
    for path in ("/v1/collections", "/health", "/docs", "/openapi.json"):
        answer = urllib3.request("GET", f"{server.url}{path}", headers={"Host": "evil.example"})
        assert (answer.status, answer.json()["__type"]) == (403, "AccessDeniedException")


def test_motos_own_api_empties_nothing(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept-from-moto")
    for path in ("/moto-api/reset", "/%6doto-api/reset"):
        assert urllib3.request("POST", f"{server.url}{path}").status == 404
    assert "kept-from-moto" in [each["Name"] for each in s3.list_buckets()["Buckets"]]
