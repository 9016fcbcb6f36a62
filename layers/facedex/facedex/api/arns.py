"""Amazon Resource Names of collections and stream processors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facedex.api.errors import InvalidParameterException, ResourceNotFoundException

# The last group is the service model's pattern for both CollectionId and StreamProcessorName.
_RESOURCE: Final = re.compile(
    r"arn:aws[a-z-]*:rekognition:([^:]*):([^:]*):(collection|streamprocessor)/([a-zA-Z0-9_.\-]+)"
)

_SCOPE: Final = re.compile(r"Credential=[^/,\s]{1,128}/[0-9]{8}/([a-z]{2}[a-z0-9-]{1,30})/")


def signed_region(authorization: str) -> str | None:
    """Return the region in a request's Authorization header, or None if it is not signed.

    As at AWS, the ARNs in a response are those of the region that the client is configured for.

    Args:
        authorization: value of the Authorization header.
    """
    found = _SCOPE.search(authorization)
    return found[1] if found else None


class Kind(StrEnum):
    """The type of a resource, as written in its ARN."""

    COLLECTION = "collection"
    STREAM_PROCESSOR = "streamprocessor"


@dataclass(frozen=True, slots=True)
class Owner:
    """The account and region that the ARNs in a response belong to."""

    account: str
    region: str

    def collection_arn(self, collection_id: str) -> str:
        """Return the ARN of a collection, in the form that Rekognition documents."""
        return self._arn(Kind.COLLECTION, collection_id)

    def stream_processor_arn(self, name: str) -> str:
        """Return the ARN of a stream processor, in the form that Rekognition documents."""
        return self._arn(Kind.STREAM_PROCESSOR, name)

    def resource(self, arn: str) -> tuple[Kind, str]:
        """Return the type and the name of the resource that an ARN identifies.

        Raises:
            InvalidParameterException: if ``arn`` is not that of a collection or stream processor.
            ResourceNotFoundException: if ``arn`` belongs to another account or region.
        """
        found = _RESOURCE.fullmatch(arn)
        if found is None:
            raise InvalidParameterException(
                f"{arn} is not the ARN of a collection or a stream processor, which look like"
                f" {self.collection_arn('NAME')} and {self.stream_processor_arn('NAME')}."
            )
        if (found[1], found[2]) != (self.region, self.account):
            raise ResourceNotFoundException(f"The resource {arn} does not exist")
        return Kind(found[3]), found[4]

    def _arn(self, kind: Kind, name: str) -> str:
        return f"arn:aws:rekognition:{self.region}:{self.account}:{kind}/{name}"
