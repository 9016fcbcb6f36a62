"""Rows of the catalog that a deployment has, and what they need there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from facedex.api.catalog import (
    LARGE,
    OPERATIONS,
    OTHER_FUNCTIONS,
    Need,
    Operation,
    OtherFunction,
    Trigger,
)
from infra.fields import StackFields
from infra.values import Auth

Row = Operation | OtherFunction

# Operations that a deployment has only with a setting, by the prefixes of their routes.
_VIDEO_ROUTES: Final = "/v1/video/"
_STREAM_ROUTES: Final = "/v1/stream-processors"
# MiB of a function that processes images that copies of galleries may have. It uses about 200, and
# several hundred for a huge photo.
SPARE: Final = 1024


def deployed(settings: StackFields) -> Iterator[Row]:
    """Yield the rows of the catalog that a deployment with these settings has."""
    routes = {_VIDEO_ROUTES: settings.video, _STREAM_ROUTES: settings.streams}
    left_out = tuple(route for route, wanted in routes.items() if not wanted)
    for operation in OPERATIONS.values():
        if not operation.path.startswith(left_out):
            yield operation
    absent = {
        Trigger.PAGES: not settings.console,
        Trigger.UPLOADS: not settings.uploads,
        Trigger.BULK: not settings.bulk,
        Trigger.VIDEO: not settings.video,
        Trigger.STREAMS: not settings.streams,
        Trigger.OPERATOR: settings.auth is not Auth.KEYS,
    }
    for worker in OTHER_FUNCTIONS.values():
        if not absent.get(worker.trigger, False):
            yield worker


def answers_requests(row: Row) -> bool:
    """Return whether API Gateway calls it for requests to the API."""
    return isinstance(row, Operation) or row.trigger is Trigger.GATEWAY


def needs(row: Row, settings: StackFields) -> frozenset[Need]:
    """Return what a row needs in a deployment with these settings."""
    wanted = row.needs
    if settings.auth is Auth.KEYS and answers_requests(row):
        wanted |= {Need.DATABASE}  # where the access keys are
    absent = {
        Need.VIDEO_QUEUE: not settings.video,
        Need.STREAM_QUEUE: not settings.streams,
        Need.TOPICS: not settings.topics,
        Need.TOPIC_CHECK: not settings.topics,
    }
    return wanted - {need for need, none in absent.items() if none}


def has_copies(row: Row, settings: StackFields) -> bool:
    """Return whether a row searches copies of galleries in its memory."""
    return Need.GALLERY in row.needs and settings.gallery_memory > 0


def memory(row: Row, settings: StackFields) -> int:
    """Return the MiB of a row's function; a whole processor if it searches copies of galleries."""
    if not has_copies(row, settings):
        return row.memory
    return max(row.memory, LARGE) + room_for_copies(settings.gallery_memory)


def room_for_copies(gallery_memory: int) -> int:
    """Return the MiB that copies need besides those of a function that processes images."""
    return max(0, gallery_memory - SPARE)


def uses_keys(row: Row) -> bool:
    """Return whether a row reads access keys where a deployment has them."""
    return answers_requests(row) or (
        isinstance(row, OtherFunction) and row.trigger is Trigger.OPERATOR
    )
