"""The state machine that indexes buckets of the user's, photo by photo, and its permissions.

The state machine's role is written out here: the construct library would let it list every bucket,
as the bucket is in the execution's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import RemovalPolicy, Stack
from aws_cdk.aws_cloudwatch import Metric, Stats
from aws_cdk.aws_events import EventField, EventPattern, Rule, RuleTargetInput
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_stepfunctions import CfnStateMachine
from constructs import Construct, IConstruct

from infra.constructs.bulk_definition import LABEL, Place, definition, report_input
from infra.constructs.encryption import allow_use, encrypt_state_machine
from infra.constructs.logs import log_group
from infra.constructs.review import accept
from infra.constructs.watching import PERIOD, Watch, Watched
from infra.settings import StackSettings

# Actions on the objects that are indexed.
READING: Final = ("s3:GetObject",)
OF_BUCKETS: Final = ("s3:ListBucket",)
# What Step Functions and the report's function do with the results and the report.
_WRITING: Final = (
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
# AWS knows no resource for them.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
_LOGGING: Final = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
_TRACING: Final = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
# Ends of an execution after which the state machine itself writes no report.
_FAILURES: Final = ("ABORTED", "FAILED", "TIMED_OUT")


class Bulk(Construct):
    """The state machine, with the functions of its steps.

    Attributes:
        arn: of the state machine.
        buckets: ARNs of the buckets that may be indexed.
        sources: ARNs of their objects.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StackSettings,
        *,
        index: Function,
        report: Function,
    ) -> None:
        super().__init__(scope, name)
        stack = Stack.of(self)
        self._reports = Place.of(settings.bulk_reports)
        self._arn_of_reports = f"arn:{stack.partition}:s3:::{self._reports.bucket}"
        self.buckets = [f"arn:{stack.partition}:s3:::{each}" for each in settings.bulk_buckets]
        self.sources = [f"{each}/*" for each in self.buckets]
        machine = f"{settings.stack}-bulk"
        # Known before the state machine exists, whose role names it.
        self.arn = stack.format_arn(
            service="states", resource=f"stateMachine:{machine}", arn_format=None
        )
        self._allow(index, READING, self.sources)
        # To distinguish a missing object from one that may not be read.
        self._allow(index, OF_BUCKETS, self.buckets)
        self._allow_reports(report)
        role = self._role(settings, machine, (index, report))
        self._create(settings, machine, role, index, report)
        self._report_failures(settings, report)

    @property
    def watched(self) -> Watched:
        """The alarm and the figures."""
        metrics = {
            each: Metric(
                namespace="AWS/States",
                metric_name=f"Executions{each}",
                dimensions_map={"StateMachineArn": self.arn},
                period=PERIOD,
                statistic=Stats.SUM,
            )
            for each in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
        }
        meaning = "A bulk execution has failed; its summary says why."
        return Watched(
            (Watch("BulkFailed", metrics["Failed"], 1, meaning),),
            {"Bulk executions": list(metrics.values())},
        )

    def _allow(self, function: Function, actions: Sequence[str], resources: Sequence[str]) -> None:
        function.add_to_role_policy(
            PolicyStatement(actions=list(actions), resources=list(resources))
        )
        assert function.role is not None
        self._accept_objects(function.role)

    def _allow_reports(self, holder: Function | Role) -> None:
        """Allow to read and write the reports, in a bucket of this account alone."""
        add = holder.add_to_policy if isinstance(holder, Role) else holder.add_to_role_policy
        account = {"StringEquals": {"s3:ResourceAccount": Stack.of(self).account}}
        add(
            PolicyStatement(
                actions=list(_WRITING),
                resources=[f"arn:{Stack.of(self).partition}:s3:::{self._reports.objects}"],
                conditions=account,
            )
        )
        if isinstance(holder, Function):
            add(
                PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[self._arn_of_reports],
                    conditions=account
                    | {"StringLike": {"s3:prefix": self._reports.objects.partition("/")[2]}},
                )
            )
            assert holder.role is not None
            self._accept_objects(holder.role)

    def _role(self, settings: StackSettings, machine: str, functions: Sequence[Function]) -> Role:
        stack = Stack.of(self)
        role = Role(
            self,
            "Role",
            assumed_by=ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            ),
            description=f"Of the state machine {machine}",
        )
        children = stack.format_arn(
            service="states", resource=f"execution:{machine}/*", arn_format=None
        )
        for actions, resources in (
            (["lambda:InvokeFunction"], [each.function_arn for each in functions]),
            (list(OF_BUCKETS), self.buckets),
            # A Distributed Map starts its workflows as executions of the state machine.
            (["states:StartExecution"], [self.arn]),
            (
                ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
                [children],
            ),
            (list(_LOGGING), ["*"]),
            *([(list(_TRACING), ["*"])] if settings.tracing else []),
        ):
            role.add_to_policy(PolicyStatement(actions=actions, resources=resources))
        self._allow_reports(role)
        allow_use(role, settings, ["s3"])
        self._accept_objects(role)
        partition = "arn:<AWS::Partition>"
        accept(
            role,
            {
                "AwsSolutions-IAM5[Resource::*]": "Deliveries of logs and traces are not resources"
                " that a policy could name.",
                f"AwsSolutions-IAM5[Resource::{partition}:states:<AWS::Region>:<AWS::AccountId>:"
                f"execution:{machine}/*]": "The workflows of the photos, whose names Step Functions"
                " chooses.",
            },
        )
        return role

    def _accept_objects(self, role: IConstruct) -> None:
        prefix = "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::"
        places = [self._reports.objects, *(each.partition(":::")[2] for each in self.sources)]
        reason = "Objects of the buckets of the settings, whose names their owners choose."
        accept(role, {f"{prefix}{place}]": reason for place in places})

    def _create(
        self,
        settings: StackSettings,
        machine: str,
        role: Role,
        index: Function,
        report: Function,
    ) -> None:
        log = log_group(self, "Log", f"/aws/vendedlogs/states/{machine}", settings)
        written = definition(
            index=index.function_arn,
            report=report.function_arn,
            buckets=settings.bulk_buckets,
            concurrency=settings.bulk_concurrency,
            reports=self._reports,
        )
        created = CfnStateMachine(
            self,
            "StateMachine",
            state_machine_name=machine,
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            definition_string=Stack.of(self).to_json_string(written),
            logging_configuration=CfnStateMachine.LoggingConfigurationProperty(
                level="ERROR",
                include_execution_data=False,  # names of photos and of people
                destinations=[
                    CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=CfnStateMachine.TracingConfigurationProperty(
                enabled=settings.tracing
            ),
        )
        encrypt_state_machine(created, role, [self.arn, f"{self.arn}/{LABEL}"], settings)
        created.apply_removal_policy(RemovalPolicy.DESTROY)
        # Step Functions checks that it may write the log.
        created.node.add_dependency(role)
        accept(
            created,
            {
                "AwsSolutions-SF1": "Each photo would write five events; the report has a line for"
                " each, and errors are logged."
            },
        )

    def _report_failures(self, settings: StackSettings, report: Function) -> None:
        """Write a report of executions that fail or are stopped, too."""
        rule = Rule(
            self,
            "Ended",
            description=f"Reports bulk executions of {settings.stack} that did not succeed",
            event_pattern=EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"stateMachineArn": [self.arn], "status": list(_FAILURES)},
            ),
        )
        ended = EventField.from_path("$.detail")
        given = RuleTargetInput.from_object(report_input(self._reports, ended))
        rule.add_target(LambdaFunction(report, event=given))
