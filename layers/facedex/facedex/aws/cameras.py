"""Cameras as inputs of stream processors: RTSP addresses in the place of a stream's ARN.

``arn:facedex:kinesisvideo:REGION:ACCOUNT:rtsp://HOST[:PORT]/PATH`` passes every SDK's own check of
the member, and nobody takes it for a stream of AWS. Rekognition has nothing like it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from facedex.api.errors import InvalidParameterException

_ARN: Final = re.compile(r"arn:facedex:kinesisvideo:[a-z\d-]+:\d{12}:(.+)")
_PORT: Final = 554
# What an address consists of (RFC 3986), but for what would part it from its credentials.
_ADDRESS: Final = re.compile(
    r"rtsp://[A-Za-z0-9.\-]+(?::\d{1,5})?(?:/[A-Za-z0-9\-._~!$&'()*+,;=:/?%]*)?"
)


def camera_address(arn: str, hosts: Sequence[str]) -> str | None:
    """The RTSP address in an input's ARN; None if that is of a video stream.

    Args:
        hosts: those that may be asked, as ``HOST``, for its port 554, or ``HOST:PORT``.

    Raises:
        InvalidParameterException: if it is a camera's, and is malformed, has credentials in it, or
            names a host that may not be asked. The message repeats nothing of an address that has
            credentials.
    """
    found = _ARN.fullmatch(arn)
    if not found:
        return None
    address = found[1]
    if not hosts:
        raise InvalidParameterException(
            "This service takes no camera as input: FACEDEX_RTSP_HOSTS is not set."
        )
    if "@" in address:
        raise InvalidParameterException(
            "A camera's address must not have a user or password in it, as everybody who may"
            " describe the stream processor would see them; set FACEDEX_RTSP_CREDENTIALS instead."
        )
    if not _ADDRESS.fullmatch(address):
        raise InvalidParameterException(
            "A camera's address has the form rtsp://HOST[:PORT]/PATH, with ASCII letters alone."
        )
    if _place(address) not in {_listed(host) for host in hosts}:
        raise InvalidParameterException(
            f"The camera's host {_split(address).netloc} is none that FACEDEX_RTSP_HOSTS lists."
        )
    return address


def with_credentials(address: str, credentials: Sequence[str]) -> str:
    """The address with the user and password that are known for its host.

    Args:
        credentials: each as ``USER:PASSWORD@HOST`` or ``USER:PASSWORD@HOST:PORT``.
    """
    for each in credentials:
        person, _, host = each.rpartition("@")
        user, _, password = person.partition(":")
        if _listed(host) == _place(address):
            said = f"{quote(user, safe='')}:{quote(password, safe='')}@"
            return address.replace("rtsp://", f"rtsp://{said}", 1)
    return address


def _split(address: str) -> SplitResult:
    return urlsplit(address)


def _place(address: str) -> tuple[str, int]:
    parts = _split(address)
    try:
        port = _PORT if parts.port is None else parts.port
    except ValueError:  # a port that is none
        return "", 0
    return (parts.hostname or "").lower(), port


def _listed(host: str) -> tuple[str, int]:
    name, _, port = host.strip().partition(":")
    return name.lower(), int(port) if port.isdecimal() else _PORT
