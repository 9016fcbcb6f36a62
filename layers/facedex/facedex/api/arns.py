"""Amazon Resource Names of what the service holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from facedex.api.errors import InvalidParameterException, ResourceNotFoundException

# Its end is the service model's pattern for CollectionId: nothing else can name a collection.
_COLLECTION: Final = re.compile(
    r"arn:aws[a-z-]*:rekognition:([^:]*):([^:]*):collection/([a-zA-Z0-9_.\-]+)"
)

_SCOPE: Final = re.compile(r"Credential=[^/,\s]{1,128}/[0-9]{8}/([a-z]{2}[a-z0-9-]{1,30})/")


def signed_region(authorization: str) -> str | None:
    """The region that a request was signed for, by its Authorization header; None if unsigned.

    The ARNs that a client reads are those of the region it is set to, as at AWS.
    """
    found = _SCOPE.search(authorization)
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Owner:
    """The account and region in whose name a request is answered."""

    account: str
    region: str

    def collection_arn(self, collection_id: str) -> str:
        """ARN of a collection, in the form of Rekognition's documentation."""
        return f"arn:aws:rekognition:{self.region}:{self.account}:collection/{collection_id}"

    def collection_id(self, arn: str) -> str:
        """The collection that an ARN names.

        Raises:
            InvalidParameterException: it is not the ARN of a collection.
            ResourceNotFoundException: it belongs to another account or region.
        """
        found = _COLLECTION.fullmatch(arn)
        if found is None:
            raise InvalidParameterException(
                f"{arn} is not the ARN of a collection, which looks like"
                f" {self.collection_arn('NAME')}."
            )
        if (found[1], found[2]) != (self.region, self.account):
            raise ResourceNotFoundException(f"The resource {arn} does not exist")
        return found[3]
