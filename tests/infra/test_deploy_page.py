"""The instructions of docs/deploy.md for callers work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"


def test_the_code_for_iam_signs_for_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body(b'{"StatusCode": 200}'))

    made = BaseClient.__init__

    def observed(client: BaseClient, *arguments: Any, **options: Any) -> None:
        made(client, *arguments, **options)
        client.meta.events.register("before-send", answer)

    monkeypatch.setattr(BaseClient, "__init__", observed)
    match = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match
    exec(
        match[1].replace("….execute-api", "example.execute-api"), {}
    )  # the code is from our own page
    (request,) = sent
    assert request.url == "https://example.execute-api.eu-central-1.amazonaws.com/live/"
    assert b"/eu-central-1/execute-api/aws4_request" in request.headers["Authorization"]


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self._content]
