"""A client of the REST routes that does not use an SDK."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from facedex.api.catalog import OPERATIONS


class Rest:
    """Sends HTTP requests and checks the headers that every response must have."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=60
        )

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        query: Any = (),
    ) -> tuple[int, Any]:
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        headers = {"Content-Type": kind} if body is not None else {}
        self.connection.request(method, target, body=body, headers=headers)
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        assert response.headers["x-amzn-RequestId"]
        assert response.headers["Content-Type"] == "application/json"
        if response.status >= 400:
            assert set(answer) == {"__type", "Code", "Logref", "Message"}
            assert answer["Code"] == answer["__type"]
            assert answer["Logref"] == response.headers["x-amzn-RequestId"]
        return response.status, answer

    def call(
        self, operation: str, members: Mapping[str, Any], photo: bytes | None = None, **query: Any
    ) -> tuple[int, Any]:
        """Call an operation by its row of the catalog.

        Members with a placeholder in the path are sent there. The others are the JSON body, or the
        query string if a photo is the body or the method has no body.
        """
        row = OPERATIONS[operation]
        quoted = {name: quote(str(value), safe="") for name, value in members.items()}
        rest = {name: value for name, value in members.items() if f"{{{name}}}" not in row.path}
        path = row.path.format_map(quoted)
        if photo is not None:
            return self.ask(row.method, path, photo, "image/jpeg", {**rest, **query})
        if row.method == "POST":
            return self.ask(row.method, path, json.dumps(rest).encode(), query=query)
        return self.ask(row.method, path, query={**rest, **query})

    def good(self, operation: str, *arguments: Any, **members: Any) -> Any:
        status, answer = self.call(operation, members, *arguments)
        assert status == 200, answer
        return answer

    def bad(self, *arguments: Any, **options: Any) -> tuple[str, str]:
        status, answer = self.ask(*arguments, **options)
        assert 400 <= status < 500
        return answer["__type"], answer["Message"]

    def close(self) -> None:
        self.connection.close()


def inline(photo: bytes) -> dict[str, str]:
    return {"Bytes": base64.b64encode(photo).decode()}
