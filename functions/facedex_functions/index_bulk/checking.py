"""Checks of a bulk execution's input, so that a mistake is reported before the first photo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from facedex.api.errors import InvalidParameterException
from facedex.api.naming import Naming
from facedex.api.reading import read_request
from facedex.runtime.services import Services
from facedex.store import collections

# The members of the input, and the defaults of those that may be missing.
_REQUIRED: Final = ("Bucket", "CollectionId")
_DEFAULTS: Final[Mapping[str, Any]] = {
    "Prefix": "",
    "ExternalImageId": Naming.STEM.value,
    "MaxFaces": None,
    "QualityFilter": "AUTO",
    "MaxConcurrency": None,
    "ToleratedFailurePercentage": 5,
    "Again": False,
}


def check(event: Mapping[str, Any], services: Services) -> dict[str, Any]:
    """Check an execution's input.

    Args:
        event: ``Input`` of the execution; ``Buckets`` and ``MaxConcurrency`` of the deployment.
        services: the function's services.

    Returns:
        The input with all its members.

    Raises:
        InvalidParameterException: if the input is not valid, or the collection's model pack is not
            installed.
        ValidationException: if a member of IndexFaces is not valid.
        CollectionNotFound: if there is no such collection.
    """
    given = event["Input"]
    known = [*_REQUIRED, *_DEFAULTS]
    if not isinstance(given, Mapping) or not set(_REQUIRED) <= set(given) <= set(known):
        raise InvalidParameterException(
            f"The input must be an object with {' and '.join(_REQUIRED)}, and may have"
            f" {', '.join(_DEFAULTS)}."
        )
    most = event["MaxConcurrency"]
    order = {**_DEFAULTS, "MaxConcurrency": most, **given}
    _require(
        order["Bucket"] in event["Buckets"],
        f"Bucket must be one of the setting bulk_buckets: {', '.join(event['Buckets'])}.",
    )
    _require(isinstance(order["Prefix"], str), "Prefix must be text.")
    _require(
        order["ExternalImageId"] in list(Naming),
        f"ExternalImageId must be one of {', '.join(Naming)}.",
    )
    _require(
        _is_number(order["MaxConcurrency"], int) and 1 <= order["MaxConcurrency"] <= most,
        f"MaxConcurrency must be a whole number from 1 to {most}, the setting bulk_concurrency.",
    )
    share = order["ToleratedFailurePercentage"]
    _require(
        _is_number(share, int | float) and 0 <= share <= 100,
        "ToleratedFailurePercentage must be a number from 0 to 100.",
    )
    _require(isinstance(order["Again"], bool), "Again must be true or false.")
    request = read_request("IndexFaces", index_document(order, ""))
    with services.database.reading() as connection:
        collection = collections.find(connection, request["CollectionId"])
    services.pack_of(collection)
    return order


def index_document(order: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the request of IndexFaces for an object, without its ExternalImageId.

    Args:
        order: the checked input of the execution.
        key: of the object.
    """
    document = {
        "CollectionId": order["CollectionId"],
        "QualityFilter": order["QualityFilter"],
        "Image": {"S3Object": {"Bucket": order["Bucket"], "Name": key or "any"}},
    }
    if order["MaxFaces"] is not None:
        document["MaxFaces"] = order["MaxFaces"]
    return document


def _require(fulfilled: bool, sentence: str) -> None:
    if not fulfilled:
        raise InvalidParameterException(sentence)


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
