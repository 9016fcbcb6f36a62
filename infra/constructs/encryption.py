"""The customer-managed key of the setting ``kms_key``, which encrypts what the stack stores.

Only properties of the resources name the key, and each role gets its permissions here: the
construct library would allow more actions than are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_kms import Key
from aws_cdk.aws_lambda import CfnFunction, Function
from aws_cdk.aws_logs import CfnLogGroup, LogGroup
from aws_cdk.aws_rds import CfnDBCluster
from aws_cdk.aws_s3 import CfnBucket
from aws_cdk.aws_secretsmanager import CfnSecret, Secret
from aws_cdk.aws_sns import CfnTopic, Topic
from aws_cdk.aws_sqs import CfnQueue, Queue
from aws_cdk.aws_stepfunctions import CfnStateMachine
from constructs import Construct

from infra.constructs.removal import data_policy
from infra.fields import CREATE
from infra.settings import StackSettings

_USE: Final = ("kms:Decrypt", "kms:GenerateDataKey")
_NAME: Final = "DataKey"

_Encrypted = CfnBucket | CfnDBCluster | Function | LogGroup | Queue | Secret | Topic


def key_arn(scope: Construct, settings: StackSettings) -> str | None:
    """Return the ARN of the deployment's key; None if AWS's own keys encrypt everything."""
    if settings.kms_key != CREATE:
        return settings.kms_key or None
    stack = Stack.of(scope)
    key = stack.node.try_find_child(_NAME) or _create(stack, settings)
    assert isinstance(key, Key)
    return key.key_arn


def encrypt(construct: _Encrypted, settings: StackSettings) -> None:
    """Encrypt a resource under the deployment's key, if there is one."""
    resource = construct.node.default_child or construct
    arn = key_arn(construct, settings)
    if arn is None:
        return
    match resource:
        case CfnBucket():
            resource.bucket_encryption = _of_a_bucket(arn)
        case CfnDBCluster():
            resource.kms_key_id = arn
            resource.master_user_secret = CfnDBCluster.MasterUserSecretProperty(kms_key_id=arn)
        case CfnFunction():
            resource.kms_key_arn = arn
        case CfnLogGroup() | CfnSecret():
            resource.kms_key_id = arn
        case CfnQueue():
            resource.sqs_managed_sse_enabled = None
            resource.kms_master_key_id = arn
        case CfnTopic():
            resource.kms_master_key_id = arn
        case _:
            raise TypeError(f"No key is set on a {type(resource).__name__}.")


def allow_use(role: Role, settings: StackSettings, services: Sequence[str]) -> None:
    """Allow a role to use the deployment's key, if there is one, through certain services alone.

    Args:
        services: their names in the key's condition, such as sqs.
    """
    arn = key_arn(role, settings)
    if arn is not None:
        role.add_to_policy(usage(role, arn, services))


def usage(scope: Construct, arn: str, services: Sequence[str]) -> PolicyStatement:
    """Return the permission to use a key through certain services alone."""
    stack = Stack.of(scope)
    through = [f"{each}.{stack.region}.{stack.url_suffix}" for each in services]
    return PolicyStatement(
        actions=list(_USE),
        resources=[arn],
        conditions={"StringEquals": {"kms:ViaService": through}},
    )


def _of_a_bucket(arn: str) -> CfnBucket.BucketEncryptionProperty:
    return CfnBucket.BucketEncryptionProperty(
        server_side_encryption_configuration=[
            CfnBucket.ServerSideEncryptionRuleProperty(
                # One request to KMS for many objects.
                bucket_key_enabled=True,
                server_side_encryption_by_default=CfnBucket.ServerSideEncryptionByDefaultProperty(
                    sse_algorithm="aws:kms", kms_master_key_id=arn
                ),
            )
        ]
    )


def _create(stack: Stack, settings: StackSettings) -> Key:
    """Create the key, with the account's own permissions and those of services.

    What remains of the data when the stack is destroyed can only be read with the key, so it has
    the same fate. docs/deploy.md shows the same statements, for a key that exists already.
    """
    key = Key(
        stack,
        _NAME,
        description=f"Data of {settings.stack}",
        enable_key_rotation=True,
        pending_window=Duration.days(7),
        removal_policy=data_policy(settings),
    )
    ours = {"aws:SourceAccount": stack.account}
    admitted: dict[str, Mapping[str, object]] = {
        # S3 sends the notifications of the uploads bucket to the encrypted queue.
        "s3.amazonaws.com": {"StringEquals": ours},
        # Alarms are sent to the encrypted topic.
        "cloudwatch.amazonaws.com": {"StringEquals": ours},
        f"logs.{stack.region}.amazonaws.com": {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": f"arn:{stack.partition}:logs:{stack.region}:"
                f"{stack.account}:log-group:*"
            }
        },
    }
    if settings.bulk:
        # It writes the log of a state machine that the key encrypts.
        admitted["delivery.logs.amazonaws.com"] = {
            "StringEquals": {"kms:EncryptionContext:SourceArn": _every_log(stack)}
        }
    for service, conditions in admitted.items():
        key.add_to_resource_policy(
            PolicyStatement(
                principals=[ServicePrincipal(service)],
                actions=_allowed(service),
                resources=["*"],  # the key itself
                conditions=conditions,
            )
        )
    return key


def _allowed(service: str) -> list[str]:
    if service.startswith("delivery."):
        return ["kms:Decrypt"]
    return list(_LOGGING if service.startswith("logs.") else _USE)


def encrypt_state_machine(
    machine: CfnStateMachine, role: Role, arns: Sequence[str], settings: StackSettings
) -> None:
    """Encrypt a state machine and its executions under the deployment's key, if there is one.

    https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html

    Args:
        role: the state machine's.
        arns: of the state machine, and of those that its Distributed Maps run as.
    """
    key = key_arn(role, settings)
    if key is None:
        return
    machine.encryption_configuration = CfnStateMachine.EncryptionConfigurationProperty(
        type="CUSTOMER_MANAGED_KMS_KEY", kms_key_id=key
    )
    for actions, context, values in (
        (list(_USE), "aws:states:stateMachineArn", list(arns)),
        (["kms:GenerateDataKey"], "SourceArn", [_every_log(role)]),  # for its log
    ):
        role.add_to_policy(
            PolicyStatement(
                actions=actions,
                resources=[key],
                conditions={"StringEquals": {f"kms:EncryptionContext:{context}": values}},
            )
        )


def _every_log(scope: Construct) -> str:
    """Return the encryption context of the service that delivers logs, which has this very star."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:*"


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
_LOGGING: Final = (
    "kms:Decrypt",
    "kms:Describe*",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
)
