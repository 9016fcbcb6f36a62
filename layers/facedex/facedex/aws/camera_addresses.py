"""Cameras as inputs of stream processors: RTSP addresses in place of a stream's ARN.

``arn:facedex:kinesisvideo:REGION:ACCOUNT:rtsp://HOST[:PORT]/PATH`` passes the validation of every
SDK and cannot be confused with the ARN of an AWS stream. Rekognition has no equivalent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from facedex.api.errors import InvalidParameterException

_ARN: Final = re.compile(r"arn:facedex:kinesisvideo:[a-z\d-]+:\d{12}:(.+)")
_PORT: Final = 554
# An address (RFC 3986) without user and password.
_ADDRESS: Final = re.compile(
    r"rtsp://[A-Za-z0-9.\-]+(?::\d{1,5})?(?:/[A-Za-z0-9\-._~!$&'()*+,;=:/?%]*)?"
)


def camera_address(arn: str, hosts: Sequence[str]) -> str | None:
    """Return the RTSP address in an input's ARN, or None if the ARN is not a camera's.

    Args:
        arn: ARN of the input.
        hosts: allowed hosts, as ``HOST``, which means port 554, or ``HOST:PORT``.

    Raises:
        InvalidParameterException: if the camera's address is malformed, contains credentials, or
            has a host that is not allowed. The message never quotes an address with credentials.
    """
    found = _ARN.fullmatch(arn)
    if not found:
        return None
    address = found[1]
    if not hosts:
        raise InvalidParameterException(
            "This service does not accept cameras as input: FACEDEX_RTSP_HOSTS is not set."
        )
    if "@" in address:
        raise InvalidParameterException(
            "A camera's address must not have a user or password in it, as every caller of"
            " DescribeStreamProcessor would see them; set FACEDEX_RTSP_CREDENTIALS instead."
        )
    if not _ADDRESS.fullmatch(address):
        raise InvalidParameterException(
            "A camera's address must have the form rtsp://HOST[:PORT]/PATH, in ASCII characters."
        )
    if _host_and_port(address) not in {_parse_host(host) for host in hosts}:
        raise InvalidParameterException(
            f"The camera's host {_split(address).netloc} is not listed in FACEDEX_RTSP_HOSTS."
        )
    return address


def with_credentials(address: str, credentials: Sequence[str]) -> str:
    """Return the address with the user and password that are configured for its host, if any.

    Args:
        address: RTSP address without credentials.
        credentials: each as ``USER:PASSWORD@HOST`` or ``USER:PASSWORD@HOST:PORT``.
    """
    for each in credentials:
        person, _, host = each.rpartition("@")
        user, _, password = person.partition(":")
        if _parse_host(host) == _host_and_port(address):
            user_info = f"{quote(user, safe='')}:{quote(password, safe='')}@"
            return address.replace("rtsp://", f"rtsp://{user_info}", 1)
    return address


def _split(address: str) -> SplitResult:
    return urlsplit(address)


def _host_and_port(address: str) -> tuple[str, int]:
    parts = _split(address)
    try:
        port = _PORT if parts.port is None else parts.port
    except ValueError:  # not a valid port number
        return "", 0
    return (parts.hostname or "").lower(), port


def _parse_host(host: str) -> tuple[str, int]:
    name, _, port = host.strip().partition(":")
    return name.lower(), int(port) if port.isdecimal() else _PORT
