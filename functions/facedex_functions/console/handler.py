"""The console behind API Gateway: its files, which anybody may load, as they hold no data.

What the pages show comes from the API, whose requests they sign with the reader's key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from facedex import __version__
from facedex_functions.console.pages import START, Files

_FOLDER: Final = Path(__file__).with_name("files")


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Return the file that a request of API Gateway names."""
    name = (event.get("pathParameters") or {}).get("proxy", "")
    if not name:
        return _answer(302, {"Location": _start(event), "Cache-Control": "no-store"}, "")
    found = _files().find(name)
    if found is None:
        return _answer(404, {"Content-Type": "text/plain"}, "The console has no such file.")
    return _answer(200, *found)


def _start(event: Mapping[str, Any]) -> str:
    """Return the path of the first page, to which the files' addresses are relative.

    API Gateway takes /console/ for /console, so the page is at its own name.
    """
    # The path begins with the stage, or with that of a domain name of the user's own. Without its
    # empty parts it names no other host.
    parts = [each for each in event["requestContext"]["path"].split("/") if each]
    return "/".join(["", *parts, START])


def _answer(status: int, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": dict(headers),
        "body": body,
        "isBase64Encoded": False,
    }


@cache
def _files() -> Files:
    config = {
        "auth": os.environ["FACEDEX_AUTH"],
        "region": os.environ["AWS_REGION"],
        "version": __version__,
        "machine": False,
        # The parts that the deployment has, and the licences of its model packs.
        **json.loads(os.environ["FACEDEX_CONSOLE"]),
    }
    return Files(_FOLDER, json.dumps(config))
