"""A change to moto that takes the operation from where the protocol has it, and nowhere else.

Unchanged, moto prefers an "Action" that it finds in any body: a message with the text
"&Action=DeleteQueue&" deletes its queue instead of being sent.
"""

from __future__ import annotations

from typing import Any

from facedex_local.http.gateway import Environ


def read_actions() -> None:
    """Change moto's services to take actions from parameters in the query protocols only."""
    from moto.core import responses
    from moto.core.utils import get_service_model

    original = responses.BaseResponse._get_action

    def get_action(self: Any) -> Any:
        target = _target(self.headers)
        if target:
            return target.rpartition(".")[2]
        try:
            protocol = get_service_model(self.boto3_service_name).protocol
        except Exception:  # moto has services, and versions of them, that botocore has not
            return original(self)
        if protocol.startswith("rest"):
            found = self._get_action_from_method_and_request_uri(self.normalized_request)
            return found or original(self)
        return original(self)

    responses.BaseResponse._get_action = get_action  # type: ignore[method-assign]


def _target(headers: Environ) -> str:
    value: str = headers.get("x-amz-target") or ""
    return value
