"""Amazon Resource Names of collections and stream processors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facedex.api.errors import InvalidParameterException, ResourceNotFoundException

# The last group is the service model's pattern for both CollectionId and StreamProcessorName.
_RESOURCE: Final = re.compile(
    r"arn:(aws[a-z-]*):rekognition:([^:]*):([^:]*)"
    r":(collection|streamprocessor)/([a-zA-Z0-9_.\-]+)"
)

# The last four of a credential's five elements: date, region, service, terminator.
_SCOPE: Final = re.compile(
    r"/[0-9]{8}/([a-z]{2}[a-z0-9-]{1,30})/[a-z0-9-]{1,64}/aws4_request(?![^,\s])"
)
_CREDENTIAL: Final = re.compile(r"(?<![^,\s])Credential=(\S{1,512})")

# The partitions other than "aws" by the beginning of their regions' names, as in botocore's
# data/partitions.json ("regionRegex"). botocore itself would add 0.1 s to a cold start.
_PARTITIONS: Final[Mapping[str, str]] = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


def partition_of(region: str) -> str:
    """Return the partition of a region, the second part of an ARN."""
    names = (name for prefix, name in _PARTITIONS.items() if region.startswith(prefix))
    return next(names, "aws")


def signed_region(
    headers: Mapping[str, str], query: Mapping[str, Sequence[str]] | None = None
) -> str | None:
    """Return the region for which a request is signed, or None if it is not signed.

    It is that of the Authorization header or, in a presigned URL, of X-Amz-Credential. Whether the
    signature is valid is not checked here.

    Args:
        headers: the request's headers, by lower-case name.
        query: all values of each query parameter, decoded.
    """
    header = _CREDENTIAL.search(headers.get("authorization", ""))
    credential = header[1] if header else "".join((query or {}).get("X-Amz-Credential", ())[:1])
    found = _SCOPE.search(credential)
    return found[1] if found else None


class Kind(StrEnum):
    """The type of a resource, as written in its ARN."""

    COLLECTION = "collection"
    STREAM_PROCESSOR = "streamprocessor"


@dataclass(frozen=True, slots=True)
class Owner:
    """The account and region that a request, and the ARNs in its response, belong to."""

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
            ResourceNotFoundException: if ``arn`` belongs to another account, region or partition.
        """
        found = _RESOURCE.fullmatch(arn)
        if found is None:
            raise InvalidParameterException(
                f"{arn} is not the ARN of a collection or a stream processor, which look like"
                f" {self.collection_arn('NAME')} and {self.stream_processor_arn('NAME')}."
            )
        if found.group(1, 2, 3) != (partition_of(self.region), self.region, self.account):
            raise ResourceNotFoundException(f"The resource {arn} does not exist")
        return Kind(found[4]), found[5]

    def _arn(self, kind: Kind, name: str) -> str:
        partition = partition_of(self.region)
        return f"arn:{partition}:rekognition:{self.region}:{self.account}:{kind}/{name}"
