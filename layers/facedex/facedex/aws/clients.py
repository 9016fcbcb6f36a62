"""Clients of AWS's services, which give up well before the invocation that they work for ends."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

# Imported where used: boto3 is a third of a cold start, and most requests need no other service.
if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


def bounded(**more: Any) -> Config:
    """A client's configuration: a service without a way to it is told within seconds."""
    from botocore.config import Config

    return Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2}, **more)


@cache
def queues() -> SQSClient:
    """The SQS client of this process."""
    import boto3

    # A session of its own: boto3's shared one is not made for several threads.
    return boto3.session.Session().client("sqs", config=bounded())


@cache
def topics(region: str) -> SNSClient:
    """The SNS client of this process for a region."""
    import boto3

    return boto3.session.Session().client("sns", region_name=region, config=bounded())
