"""The database's log: what Postgres writes to it, and its log group in CloudWatch.

RDS writes the log in any case, to the database's own disk, where its console shows it for some
days. It must hold no names of collections, faces and users, so these parameters do not depend on
the setting that exports it.
"""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_rds import DatabaseCluster
from aws_cdk.custom_resources import (
    AwsCustomResource,
    AwsCustomResourcePolicy,
    AwsSdkCall,
    PhysicalResourceId,
)
from constructs import Construct

from infra.constructs.encryption import key_arn
from infra.constructs.review import accept
from infra.settings import StackSettings

LOG: Final = "postgresql"  # RDS's name of the log that it exports

# https://www.postgresql.org/docs/17/runtime-config-logging.html
_SILENCE: Final = {
    # Errors' messages quote values. In this order of Postgres, LOG is above ERROR, and FATAL above
    # LOG: starts, checkpoints, connections and crashes are logged.
    "log_min_messages": "log",
    # No text of a statement, whether it fails, is slow or is neither.
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    # No DETAIL, which quotes rows, and no parameters.
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
# Connections name the role, the database and an address of the network.
_CONNECTIONS: Final = {"log_connections": "1", "log_disconnections": "1"}


def parameters(settings: StackSettings) -> dict[str, str]:
    """Return the cluster's parameters."""
    exported = _CONNECTIONS if settings.database_logs else {}
    return {"rds.force_ssl": "1", **_SILENCE, **exported}


def keep_log(
    scope: Construct, settings: StackSettings, cluster: DatabaseCluster, log: LogGroup
) -> None:
    """Give the log group of the database's log an expiry and the deployment's key.

    RDS names the group after the cluster, whose name is not known before it exists, and creates the
    group itself, so CloudFormation cannot create it.

    Args:
        log: of the function that makes these calls.
    """
    stack = Stack.of(scope)
    group = f"/aws/rds/cluster/{cluster.cluster_identifier}/{LOG}"
    key = key_arn(scope, settings)
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "Creation": ("createLogGroup", {"kmsKeyId": key} if key else {}),
        "Expiry": ("putRetentionPolicy", {"retentionInDays": settings.log_days}),
        **({"Key": ("associateKmsKey", {"kmsKeyId": key})} if key else {}),
    }
    arn = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{group}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    previous: Construct = cluster
    for name, (action, more) in calls.items():
        first = previous is cluster
        call = AwsSdkCall(
            service="cloudwatch-logs",
            action=action,
            parameters={"logGroupName": group, **more},
            physical_resource_id=PhysicalResourceId.of(f"{name} of {group}"),
            # RDS may have been first.
            ignore_error_codes_matching="ResourceAlreadyExistsException" if first else None,
        )
        deletion = AwsSdkCall(
            service="cloudwatch-logs",
            action="deleteLogGroup",
            parameters={"logGroupName": group},
            ignore_error_codes_matching="ResourceNotFoundException",
        )
        allowed = [action, "deleteLogGroup"] if first else [action]
        made = AwsCustomResource(
            scope,
            f"Log{name}",
            on_create=call,
            on_update=call,
            on_delete=deletion if first else None,
            install_latest_aws_sdk=False,
            timeout=Duration.minutes(2),
            log_group=log,
            policy=AwsCustomResourcePolicy.from_statements(
                [
                    PolicyStatement(
                        actions=[f"logs:{each[0].upper()}{each[1:]}" for each in allowed],
                        resources=[arn],
                    )
                ]
            ),
        )
        made.node.add_dependency(previous)
        # Every log group's ARN ends like this in a permission.
        accept(
            made,
            {
                "AwsSolutions-IAM5[Resource::"
                + _spelled(stack, arn)
                + "]": "The streams of one log group."
            },
        )
        previous = made


def _spelled(stack: Stack, arn: str) -> str:
    """Return an ARN as cdk-nag spells it in its findings."""
    resolved = stack.resolve(arn)
    parts = resolved["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
