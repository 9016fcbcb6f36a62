"""The errors that an operation may answer with."""

from __future__ import annotations

from facedex.api import errors
from facedex.api.service_model import service_model

# Errors of the protocol, which every operation may answer with.
PROTOCOL = {kind.__name__ for kind in errors.ServiceError.__subclasses__()} - set(
    service_model()["shapes"]
)


def known_errors(operation: str) -> set[str]:
    """Return the codes of the operation's errors in AWS's service model, and of the protocol's."""
    modelled = service_model()["operations"][operation]["errors"]
    return {error["shape"] for error in modelled} | PROTOCOL
