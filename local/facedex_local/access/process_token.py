"""The token with which this machine's own processes call the private port.

It is random for each start, and reaches the other processes in their environment. AWS clients keep
the credentials that the user has set, which other endpoints may need.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

# Key of the header in a WSGI environment.
ENVIRON_KEY: Final = "HTTP_X_FACEDEX_PRIVATE"
_HEADER: Final = "X-Facedex-Private"
# The port's address and the token, for example "http://127.0.0.1:40000 0123abcd".
_SETTING: Final = "FACEDEX_PRIVATE_PORT"


def configure(url: str, token: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variable by which this process and its children know the private port."""
    environment[_SETTING] = f"{url} {token}"


def install() -> None:
    """Make the AWS clients of this process send the token with requests to the private port."""
    from botocore import handlers

    if ("before-send", _add_token) not in handlers.BUILTIN_HANDLERS:
        handlers.BUILTIN_HANDLERS.append(("before-send", _add_token))


def _add_token(request: Any, **_named: Any) -> None:
    url, _, token = os.environ.get(_SETTING, "").partition(" ")
    if token and urlsplit(request.url).netloc == urlsplit(url).netloc:
        request.headers[_HEADER] = token
