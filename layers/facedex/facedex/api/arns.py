"""Amazon Resource Names of what the service holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The account and region in whose name a request is answered."""

    account: str
    region: str

    def collection_arn(self, collection_id: str) -> str:
        """ARN of a collection, in the form of Rekognition's documentation."""
        return f"arn:aws:rekognition:{self.region}:{self.account}:collection/{collection_id}"
