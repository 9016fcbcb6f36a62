"""What the tag operations have in common: finding what an ARN names."""

from __future__ import annotations

from facedex.api.arns import Kind
from facedex.services import Services
from facedex.store import collections, stream_processors
from facedex.store.database import Connection
from facedex.store.tags import Tagged


def find(connection: Connection, services: Services, arn: str, *, keep: bool = False) -> Tagged:
    """The collection or the stream processor that an ARN names.

    Args:
        keep: hold off its deletion until the transaction ends; for writers.

    Raises:
        ServiceError: it is no ARN of either, or of another owner.
        CollectionNotFound, StreamProcessorNotFound: there is none.
    """
    kind, name = services.owner.resource(arn)
    if kind is Kind.STREAM_PROCESSOR:
        return stream_processors.find(connection, name, lock=keep)
    return collections.find(connection, name, keep=keep)
