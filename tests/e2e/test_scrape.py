"""``GET /metrics`` of a server that requires no keys."""

from __future__ import annotations

import requests

from tests.conftest import Server


def test_a_scrape_needs_no_token_and_is_not_logged(server: Server) -> None:
    found = requests.get(f"{server.url}/metrics", timeout=60)
    assert found.status_code == 200
    assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nfacedex_build_info{" in found.text
    head = requests.head(f"{server.url}/metrics", timeout=60)
    assert (head.status_code, head.text) == (200, "")
    assert " GET /metrics " not in server.log.read_text()
