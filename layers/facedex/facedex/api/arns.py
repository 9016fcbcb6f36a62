"""Amazon Resource Names of what the service holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facedex.api.errors import InvalidParameterException, ResourceNotFoundException

# Its end is the service model's pattern for CollectionId and for StreamProcessorName: nothing else
# can name one.
_RESOURCE: Final = re.compile(
    r"arn:aws[a-z-]*:rekognition:([^:]*):([^:]*):(collection|streamprocessor)/([a-zA-Z0-9_.\-]+)"
)

_SCOPE: Final = re.compile(r"Credential=[^/,\s]{1,128}/[0-9]{8}/([a-z]{2}[a-z0-9-]{1,30})/")


def signed_region(authorization: str) -> str | None:
    """The region that a request was signed for, by its Authorization header; None if unsigned.

    The ARNs that a client reads are those of the region it is set to, as at AWS.
    """
    found = _SCOPE.search(authorization)
    return found[1] if found else None


class Kind(StrEnum):
    """What a resource is, as it stands in its ARN."""

    COLLECTION = "collection"
    STREAM_PROCESSOR = "streamprocessor"


@dataclass(frozen=True, slots=True)
class Owner:
    """The account and region in whose name a request is answered."""

    account: str
    region: str

    def collection_arn(self, collection_id: str) -> str:
        """ARN of a collection, in the form of Rekognition's documentation."""
        return self._arn(Kind.COLLECTION, collection_id)

    def stream_processor_arn(self, name: str) -> str:
        """ARN of a stream processor, in the form of Rekognition's documentation."""
        return self._arn(Kind.STREAM_PROCESSOR, name)

    def resource(self, arn: str) -> tuple[Kind, str]:
        """The kind and the name of what an ARN names.

        Raises:
            InvalidParameterException: it is not the ARN of a collection or a stream processor.
            ResourceNotFoundException: it belongs to another account or region.
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
