"""Requests that boto3 does not check, so that the server's checks are tested."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

UNCHECKED = Config(parameter_validation=False, retries={"total_max_attempts": 1})


def refused(client: Any, operation: str, **members: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**members)
    response: dict[str, Any] = {**caught.value.response}
    error, metadata = response["Error"], response["ResponseMetadata"]
    assert metadata["RequestId"]
    return error["Code"], error["Message"], metadata["HTTPStatusCode"]
