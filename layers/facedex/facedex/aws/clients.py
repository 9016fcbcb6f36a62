"""Clients of AWS's services, with timeouts well below the duration of an invocation."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

# Imported where used: boto3 is a third of a cold start, and most requests call no AWS service.
if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


def bounded(**more: Any) -> Config:
    """Return a client configuration with which an unreachable service fails within seconds.

    Args:
        more: further options of the configuration.
    """
    from botocore.config import Config

    return Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2}, **more)


def region_of(arn: str) -> str:
    """Return the region in an ARN."""
    return arn.split(":")[3]


@cache
def queues() -> SQSClient:
    """Return the SQS client of this process."""
    import boto3

    # A separate session, as boto3's default session is not thread-safe.
    return boto3.session.Session().client("sqs", config=bounded())


@cache
def topics(region: str) -> SNSClient:
    """Return the SNS client of this process for a region."""
    import boto3

    return boto3.session.Session().client("sns", region_name=region, config=bounded())
