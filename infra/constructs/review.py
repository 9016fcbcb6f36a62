"""Findings of cdk-nag that were reviewed and accepted, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Validations
from constructs import IConstruct


def accept(construct: IConstruct, findings: Mapping[str, str]) -> None:
    """Accept findings on a construct and what is in it.

    Args:
        construct: construct that has the findings.
        findings: reasons by id, such as ``AwsSolutions-S1`` or ``AwsSolutions-IAM5[Resource::*]``.
    """
    for finding, reason in findings.items():
        # Validations.acknowledge refuses ids with two "::" in them, which those of ARNs have;
        # what cdk-nag reads is this record.
        construct.node.add_metadata(Validations.ACKNOWLEDGED_RULES_METADATA_KEY, {finding: reason})
