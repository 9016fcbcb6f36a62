"""What becomes of what a stack has made, when the stack goes."""

from __future__ import annotations

from aws_cdk import RemovalPolicy

from infra.settings import StackSettings
from infra.values import Retention


def kept_if_made(settings: StackSettings) -> RemovalPolicy:
    """Of data that has no snapshot: it stays unless the setting says destroy.

    A deployment that fails at first leaves nothing, as there is nothing in it yet.
    """
    if settings.retention is Retention.DESTROY:
        return RemovalPolicy.DESTROY
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def kept_with_database(settings: StackSettings) -> RemovalPolicy:
    """Of what a database that stays stands on."""
    if settings.retention is Retention.RETAIN:
        return RemovalPolicy.RETAIN
    return RemovalPolicy.DESTROY
