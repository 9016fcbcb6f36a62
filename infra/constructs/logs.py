"""CloudWatch log groups, which keep logs for the setting's days and are deleted with the stack."""

from __future__ import annotations

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk.aws_logs import LogGroup, RetentionDays
from constructs import Construct

from infra.constructs.encryption import encrypt
from infra.settings import StackSettings

_DAYS: Final = {
    1: RetentionDays.ONE_DAY,
    3: RetentionDays.THREE_DAYS,
    5: RetentionDays.FIVE_DAYS,
    7: RetentionDays.ONE_WEEK,
    14: RetentionDays.TWO_WEEKS,
    30: RetentionDays.ONE_MONTH,
    60: RetentionDays.TWO_MONTHS,
    90: RetentionDays.THREE_MONTHS,
    120: RetentionDays.FOUR_MONTHS,
    150: RetentionDays.FIVE_MONTHS,
    180: RetentionDays.SIX_MONTHS,
    365: RetentionDays.ONE_YEAR,
    400: RetentionDays.THIRTEEN_MONTHS,
    545: RetentionDays.EIGHTEEN_MONTHS,
    731: RetentionDays.TWO_YEARS,
}


def log_group(scope: Construct, name: str, group: str, settings: StackSettings) -> LogGroup:
    """Create a log group that is deleted with the stack; it is always encrypted.

    Args:
        name: of the construct.
        group: of the log group.
    """
    created = LogGroup(
        scope,
        name,
        log_group_name=group,
        retention=_DAYS[settings.log_days],
        removal_policy=RemovalPolicy.DESTROY,
    )
    encrypt(created, settings)
    return created
