"""Removal policies: which resources remain when the stack is deleted."""

from __future__ import annotations

from aws_cdk import RemovalPolicy

from infra.settings import StackSettings
from infra.values import Retention


def data_policy(settings: StackSettings) -> RemovalPolicy:
    """Return the policy for data without snapshots: it remains unless the setting is destroy.

    A first deployment that fails leaves nothing, as it holds no data yet.
    """
    if settings.retention is Retention.DESTROY:
        return RemovalPolicy.DESTROY
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def database_policy(settings: StackSettings) -> RemovalPolicy:
    """Return the policy for resources that a retained database needs."""
    if settings.retention is Retention.RETAIN:
        return RemovalPolicy.RETAIN
    return RemovalPolicy.DESTROY
