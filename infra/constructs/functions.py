"""One Lambda function for each row of the catalog, with the permissions that the row needs."""

from __future__ import annotations

import json
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk.aws_iam import (
    Effect,
    PolicyDocument,
    PolicyStatement,
    Role,
    ServicePrincipal,
)
from aws_cdk.aws_lambda import (
    Alias,
    Code,
    Function,
    IFunction,
    RecursiveLoop,
    SnapStartConf,
    Tracing,
)
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from facedex.api.catalog import Need, Operation, OtherFunction, Trigger
from facedex_models.manifests import described
from infra import packages
from infra.constructs.encryption import allow_use, encrypt
from infra.constructs.layers import CERTIFICATES_LAYER, architecture, layer_versions, runtime
from infra.constructs.logs import log_group
from infra.constructs.placing import DatabaseAccess, Placement
from infra.constructs.review import accept
from infra.constructs.signing import code_signing, require_signature
from infra.rows import Row, answers_requests, deployed, has_copies, memory, needs, uses_keys
from infra.settings import StackSettings
from infra.values import Auth

_CORE: Final = 1769  # MiB with which Lambda gives a whole core
_NETWORK_INTERFACES: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
# Seconds for which a function waits for a connection. A paused database resumes within about 15,
# after more than a day within 30 or more; API Gateway gives up after 29.
# https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
_CALLERS_PATIENCE: Final = 20
_WORKERS_PATIENCE: Final = 45
# Needs for which a function calls other AWS services.
_ELSEWHERE: Final = frozenset(
    {
        Need.S3,
        Need.BULK,
        Need.VIDEO_QUEUE,
        Need.STREAM_QUEUE,
        Need.STREAMS,
        Need.TOPICS,
        Need.TOPIC_CHECK,
    }
)
# These functions send messages to the queue that invokes them: for an upload that must wait, for
# days; for a stream that is handed over, as long as it runs. Lambda would stop that after 16 times
# as a loop.
_CALL_THEMSELVES: Final = (Trigger.UPLOADS, Trigger.STREAMS)


class Functions(Construct):
    """Every function of the deployment.

    Attributes:
        by_name: the functions by their names in the catalog.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StackSettings,
        network: Placement,
        database: DatabaseAccess,
    ) -> None:
        super().__init__(scope, name)
        self._settings = settings
        self._network = network
        self._database = database
        self._layers = layer_versions(self, settings)
        self._signing = code_signing(self, settings)
        self._environment = {
            "FACEDEX_ACCOUNT": Stack.of(self).account,
            "FACEDEX_AUDIT": settings.audit.value,
            "FACEDEX_AUDIT_DAYS": str(settings.audit_days),
            "FACEDEX_AUTH": settings.auth.value,
            "FACEDEX_CONNECTIONS": "2",  # a copy of a function answers one request at a time
            **database.environment,
            "FACEDEX_DEPLOYMENT": settings.stack,
            "FACEDEX_METRICS": str(settings.metrics).lower(),
            "FACEDEX_MODELS": "/opt/models",
            "FACEDEX_PACK": settings.pack,
            # NumPy's threads would wait for a processor that the function does not have.
            "OPENBLAS_NUM_THREADS": "1",
        }
        if settings.video:
            # "none" allows no topic; an empty value would allow any.
            self._environment["FACEDEX_TOPICS"] = ",".join(settings.topics) or "none"
        self.by_name: dict[str, Function] = {
            row.function: self._function(row) for row in deployed(settings)
        }
        self._entries: dict[str, IFunction] = {}

    def entry(self, name: str) -> IFunction:
        """The function, or its published version where a setting needs one, for callers."""
        settings = self._settings
        copies = settings.provisioned if name == "front_door" else 0
        function = self.by_name[name]
        if not settings.snapstart and not copies:
            return function
        if name not in self._entries:
            self._entries[name] = Alias(
                self,
                f"{name}_live",
                alias_name="live",
                version=function.current_version,
                provisioned_concurrent_executions=copies or None,
            )
        return self._entries[name]

    def _function(self, row: Row) -> Function:
        settings = self._settings
        wanted = needs(row, settings)
        connects = Need.DATABASE in wanted
        layers = [*packages.layers_of(wanted)]
        if connects and settings.database_ca:
            layers.append(CERTIFICATES_LAYER)
        name = f"{settings.stack}-{row.function}"
        log = log_group(self, f"{row.function}_log", f"/aws/lambda/{name}", settings)
        function = Function(
            self,
            row.function,
            function_name=name,
            description=f"Facedex: {row.name if isinstance(row, Operation) else row.trigger}",
            runtime=runtime(settings),
            architecture=architecture(settings),
            handler=packages.HANDLER.format(name=row.function),
            code=Code.from_asset(str(packages.function(row.function))),
            layers=[self._layers[each] for each in layers],
            memory_size=memory(row, settings),
            timeout=Duration.seconds(row.timeout),
            environment={
                **self._environment,
                "FACEDEX_DATABASE_PATIENCE": str(
                    _WORKERS_PATIENCE if row.timeout > _WORKERS_PATIENCE else _CALLERS_PATIENCE
                ),
                "FACEDEX_THREADS": str(max(1, memory(row, settings) // _CORE)),
                **(
                    {"FACEDEX_GALLERY_MEMORY": str(settings.gallery_memory)}
                    if has_copies(row, settings)
                    else {}
                ),
                **self._pages(row),
            },
            role=self._role(row, wanted, log),
            log_group=log,
            tracing=Tracing.ACTIVE if settings.tracing else Tracing.DISABLED,
            recursive_loop=(
                RecursiveLoop.ALLOW
                if isinstance(row, OtherFunction) and row.trigger in _CALL_THEMSELVES
                else None
            ),
            snap_start=(
                SnapStartConf.ON_PUBLISHED_VERSIONS
                if settings.snapstart and answers_requests(row)
                else None
            ),
            **(self._network.options(calls=self._calls(row, wanted)) if connects else {}),
        )
        if connects:
            self._network.place(function)
        encrypt(function, settings)
        if self._signing:
            require_signature(function, self._signing)
        accept(
            function,
            {
                "AwsSolutions-L1": "The newest Python for which every dependency has wheels, or"
                " the one that the setting python names."
            },
        )
        return function

    def _pages(self, row: Row) -> dict[str, str]:
        """Return what the console shows of the deployment; nothing for other functions."""
        if not isinstance(row, OtherFunction) or row.trigger is not Trigger.PAGES:
            return {}
        settings = self._settings
        shown = {
            "stack": settings.stack,
            "video": settings.video,
            "streams": settings.streams,
            "packs": {name: described(name).terms for name in settings.all_packs},
        }
        return {"FACEDEX_CONSOLE": json.dumps(shown)}

    def _through(self, row: Row, wanted: frozenset[Need]) -> list[str]:
        """Return the services through which a function uses the deployment's key."""
        trigger = row.trigger if isinstance(row, OtherFunction) else None
        through = {
            "lambda": True,  # for its environment variables
            "s3": Need.S3 in wanted or trigger in (Trigger.UPLOADS, Trigger.BULK),
            "secretsmanager": self._settings.auth is Auth.KEYS and uses_keys(row),
            "sqs": bool(wanted & {Need.VIDEO_QUEUE, Need.STREAM_QUEUE})
            or trigger in (Trigger.UPLOADS, Trigger.VIDEO, Trigger.STREAMS),
        }
        return [service for service, needed in through.items() if needed]

    def _calls(self, row: Row, wanted: frozenset[Need]) -> bool:
        """Return whether a function calls other services of AWS."""
        calls = bool(wanted & _ELSEWHERE)
        # A custom resource sends its response to S3; access keys are encrypted under a secret.
        calls |= isinstance(row, OtherFunction) and row.trigger in (
            Trigger.DEPLOYMENT,
            Trigger.UPLOADS,
        )
        return calls or (self._settings.auth is Auth.KEYS and uses_keys(row))

    def _role(self, row: Row, wanted: frozenset[Need], log: LogGroup) -> Role:
        settings = self._settings
        role = Role(
            self,
            f"{row.function}_role",
            assumed_by=ServicePrincipal("lambda.amazonaws.com"),
            description=f"Of the function {settings.stack}-{row.function}",
            inline_policies={
                "logs": PolicyDocument(
                    statements=[
                        # Otherwise the function could create the group again after the stack is
                        # deleted.
                        PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[log.log_group_arn],
                        )
                    ]
                )
            },
        )
        allow_use(role, settings, self._through(row, wanted))
        findings = {
            "AwsSolutions-IAM5[Resource::*]": "Traces of X-Ray and network interfaces of Lambda"
            " are not resources that a policy could name.",
        }
        if Need.DATABASE in wanted:
            for statement in self._database.permissions:
                role.add_to_policy(statement)
        if Need.DATABASE in wanted and self._network.in_vpc:
            for statement in _network_interfaces(self, f"{settings.stack}-{row.function}"):
                role.add_to_policy(statement)
        if Need.S3 in wanted:
            partition = Stack.of(self).partition
            for bucket in settings.image_buckets:
                role.add_to_policy(
                    PolicyStatement(
                        actions=["s3:GetObject", "s3:GetObjectVersion"],
                        resources=[f"arn:{partition}:s3:::{bucket}/*"],
                    )
                )
                findings[f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::{bucket}/*]"] = (
                    "Callers name images by bucket and object; the bucket is one of the setting"
                    " image_buckets."
                )
        for need, action in (
            (Need.TOPICS, "sns:Publish"),
            (Need.TOPIC_CHECK, "sns:GetTopicAttributes"),
        ):
            if need in wanted:
                role.add_to_policy(
                    PolicyStatement(actions=[action], resources=list(settings.topics))
                )
        accept(role, findings)
        return role


def _network_interfaces(scope: Construct, function: str) -> list[PolicyStatement]:
    """Allow Lambda, but not the function's own code, to attach the function to the network.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
    """
    arn = Stack.of(scope).format_arn(service="lambda", resource=f"function:{function}")
    return [
        PolicyStatement(actions=list(_NETWORK_INTERFACES), resources=["*"]),
        PolicyStatement(
            effect=Effect.DENY,
            actions=list(_NETWORK_INTERFACES),
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": arn}},
        ),
    ]
