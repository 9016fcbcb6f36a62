"""A boundary around moto: it calls no other machine and runs no code on a client's word.

Unchanged, moto delivers SNS messages, EventBridge events and Firehose records by HTTP to any
address that a client has named, and runs functions and batch jobs in Docker containers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

from facedex.printing import printable

_TIMEOUT: Final = 5.0  # seconds in which an address must accept a message
_DONE: Final = "_facedex_confines"

_logger = logging.getLogger("facedex")


class _Boundary(threading.local):
    """The state of a thread.

    Attributes:
        confined: whether the thread may not open connections.
        refused: the last address to which a connection was refused.
    """

    confined = False
    refused = ""


_boundary: Final = _Boundary()


@contextmanager
def confined() -> Iterator[None]:
    """Refuse connections of this thread to other servers while the block runs."""
    before = _boundary.confined
    _boundary.confined, _boundary.refused = True, ""
    try:
        yield
    finally:
        _boundary.confined = before


def refused_address() -> str:
    """Return the address that was refused in the last block of this thread, or ""."""
    return _boundary.refused


def confine(sns_endpoints: Collection[str]) -> None:
    """Change moto to deliver messages to SQS and to the given addresses only.

    Args:
        sns_endpoints: the addresses to which SNS may deliver by HTTP.
    """
    _refuse_connections()
    _refuse_containers()
    _limit_subscriptions(frozenset(sns_endpoints))


class _Deliveries:
    """What moto's SNS uses in place of the module ``requests``."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed

    def post(self, address: str, **content: Any) -> None:
        """Deliver a message if the address is allowed; a redirection is not followed."""
        import requests

        if address not in self._allowed:
            return
        before, _boundary.confined = _boundary.confined, False
        try:
            # The response's body is not read: it may have no end.
            requests.post(
                address, **content, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ).close()
        except requests.RequestException as error:
            name = type(error).__name__
            _logger.warning("SNS could not deliver to %s: %s", printable(address), name)
        finally:
            _boundary.confined = before


def _limit_subscriptions(allowed: frozenset[str]) -> None:
    from moto.sns import exceptions, models

    # moto raises its exceptions by their codes in the service model.
    class Refused(exceptions.SNSException):
        code = "AuthorizationError"

    service: Any = models.SNSBackend
    subscribe: Any = getattr(service.subscribe, "__wrapped__", service.subscribe)

    @wraps(subscribe)
    def subscribe_within(backend: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
        if protocol in ("http", "https") and endpoint not in allowed:
            raise Refused(
                f"This server does not send messages to {printable(endpoint)}; start it with"
                " --allow-sns-endpoint and this address to allow it, or subscribe an SQS queue."
            )
        if protocol in ("lambda", "firehose"):
            raise Refused(
                f"This server has no functions or delivery streams for the protocol {protocol};"
                " subscribe an SQS queue."
            )
        return subscribe(backend, topic_arn, endpoint, protocol)

    service.subscribe = subscribe_within
    sns: Any = models
    sns.requests = _Deliveries(allowed)


def _refuse_containers() -> None:
    from moto.core.config import default_user_config
    from moto.utilities.docker_utilities import DockerModel

    # moto then pretends that functions and jobs have succeeded.
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["batch"] = {"use_docker": False}

    def refuse(_model: DockerModel) -> Any:
        raise PermissionError("This server starts no containers.")

    model: Any = DockerModel
    model.docker_client = property(refuse)


def _refuse_connections() -> None:
    """Change urllib3, which requests and botocore use, to respect the boundary of a thread."""
    from urllib3.util import connection

    create = connection.create_connection
    if hasattr(create, _DONE):
        return

    @wraps(create)
    def create_within(address: tuple[str, int], *arguments: Any, **named: Any) -> Any:
        if _boundary.confined:
            _boundary.refused = "{}:{}".format(*address)
            raise PermissionError("The stand-ins for other services call no other server.")
        return create(address, *arguments, **named)

    setattr(create_within, _DONE, True)
    connection.create_connection = create_within
