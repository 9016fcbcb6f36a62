"""The database's network, with no route from or to the internet.

Only functions that need the database are in it. They reach AWS services through endpoints: S3
through a gateway, which is free; others, which cost by the hour, where a setting needs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import CfnResource, Stack
from aws_cdk.aws_ec2 import (
    FlowLogDestination,
    FlowLogTrafficType,
    GatewayVpcEndpointAwsService,
    InterfaceVpcEndpointAwsService,
    IpAddresses,
    Peer,
    Port,
    SecurityGroup,
    SubnetConfiguration,
    SubnetSelection,
    SubnetType,
    Vpc,
)
from aws_cdk.aws_iam import AnyPrincipal, PolicyStatement
from aws_cdk.aws_lambda import Function
from constructs import Construct, IDependable

from infra.constructs.logs import log_group
from infra.constructs.removal import database_policy
from infra.constructs.review import accept
from infra.settings import StackSettings
from infra.values import Auth, Traffic

_ZONES: Final = 2  # the fewest that Aurora takes
HTTPS: Final = 443
POSTGRES: Final = 5432


class Network(Construct):
    """A VPC of isolated subnets.

    Attributes:
        in_vpc: True.
        clients: security group of functions that connect to the database.
        callers: security group of functions that call other services too.
        s3: gateway endpoint.
    """

    def __init__(self, scope: Construct, name: str, settings: StackSettings) -> None:
        super().__init__(scope, name)
        self.vpc = Vpc(
            self,
            "Vpc",
            ip_addresses=IpAddresses.cidr(settings.cidr),
            max_azs=_ZONES,
            nat_gateways=0,
            subnet_configuration=[
                SubnetConfiguration(name="isolated", subnet_type=SubnetType.PRIVATE_ISOLATED)
            ],
        )
        for kept in (self.vpc, *self.vpc.isolated_subnets):
            resource = kept.node.default_child
            assert isinstance(resource, CfnResource)
            resource.apply_removal_policy(database_policy(settings))
        self._log(settings)
        self.clients = self._group("Clients", "Functions that connect to the database")
        self.callers = self._group("Callers", "Functions that call other services of AWS")
        # S3 behind the gateway has public addresses, which change; no other route leads to them.
        self.callers.add_egress_rule(Peer.any_ipv4(), Port.tcp(HTTPS), "S3, interface endpoints")
        self.s3 = self.vpc.add_gateway_endpoint("S3", service=GatewayVpcEndpointAwsService.S3)
        self._add_interface_endpoints(settings)
        self.in_vpc = True
        # The route for the answer of a custom resource must exist until after it.
        self.ready: Sequence[IDependable] = (self.vpc, self.callers, self.clients)

    def options(self, *, calls: bool) -> Mapping[str, Any]:
        """Return the options of a function's construct that place it in the network.

        Args:
            calls: whether the function calls other services of AWS.
        """
        return {
            "vpc": self.vpc,
            "vpc_subnets": SubnetSelection(subnet_type=SubnetType.PRIVATE_ISOLATED),
            "security_groups": [self.clients, *([self.callers] if calls else [])],
        }

    def place(self, function: Function) -> None:
        """Change nothing: the options have placed the function."""

    def allow_in_s3(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        """Allow functions some actions in S3 through the gateway, which denies all others."""
        self.s3.add_to_policy(
            PolicyStatement(
                principals=[AnyPrincipal()], actions=list(actions), resources=list(resources)
            )
        )

    def _log(self, settings: StackSettings) -> None:
        """Log the network's traffic, as far as the setting asks for it: addresses and ports."""
        if settings.flow_logs is Traffic.OFF:
            accept(
                self.vpc,
                {
                    "AwsSolutions-VPC7": "No subnet has a route to the internet; what the setting"
                    " flow_logs logs is the functions' traffic to the database and to AWS's"
                    " endpoints."
                },
            )
            return
        group = log_group(self, "FlowLog", f"/facedex/{settings.stack}/network", settings)
        self.vpc.add_flow_log(
            "Flows",
            destination=FlowLogDestination.to_cloud_watch_logs(group),
            traffic_type=(
                FlowLogTrafficType.ALL
                if settings.flow_logs is Traffic.ALL
                else FlowLogTrafficType.REJECT
            ),
        )

    def _group(self, name: str, description: str) -> SecurityGroup:
        return SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )

    def _add_interface_endpoints(self, settings: StackSettings) -> None:
        chosen = _interface_endpoints(settings)
        if not chosen:
            return
        doors = self._group("Endpoints", "Interface endpoints")
        doors.add_ingress_rule(self.callers, Port.tcp(HTTPS), "Functions")
        account = Stack.of(self).account
        for door in chosen:
            endpoint = self.vpc.add_interface_endpoint(
                door.name,
                service=door.service,
                open=False,
                security_groups=[doors],
                subnets=SubnetSelection(
                    subnets=self.vpc.isolated_subnets[: settings.endpoint_zones]
                ),
            )
            # Credentials of other accounts cannot move data out this way; roles limit those of this
            # account.
            endpoint.add_to_policy(
                PolicyStatement(
                    principals=[AnyPrincipal()],
                    actions=list(door.actions),
                    resources=list(door.resources),
                    conditions={"StringEquals": {"aws:PrincipalAccount": account}},
                )
            )


@dataclass(frozen=True, slots=True)
class _InterfaceEndpoint:
    """An interface endpoint, with the actions that functions perform there and their resources."""

    name: str
    service: InterfaceVpcEndpointAwsService
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)


def _interface_endpoints(settings: StackSettings) -> list[_InterfaceEndpoint]:
    """Return the interface endpoints that a deployment with these settings needs."""
    service = InterfaceVpcEndpointAwsService
    doors = (
        (
            settings.auth is Auth.KEYS,
            _InterfaceEndpoint(
                "SecretsManager", service.SECRETS_MANAGER, ("secretsmanager:GetSecretValue",)
            ),
        ),
        (
            settings.uploads or settings.video or settings.streams,
            _InterfaceEndpoint("Sqs", service.SQS, ("sqs:SendMessage",)),
        ),
        (
            bool(settings.topics),
            _InterfaceEndpoint(
                "Sns",
                service.SNS,
                ("sns:Publish", "sns:GetTopicAttributes"),
                settings.topics,
            ),
        ),
        # One for streams and for their media, whose addresses are names within that of the service.
        # https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/vpc-interface-endpoints.html
        (
            settings.streams,
            _InterfaceEndpoint(
                "KinesisVideo",
                service("kinesisvideo"),
                ("kinesisvideo:GetDataEndpoint", "kinesisvideo:GetMedia"),
                settings.video_streams,
            ),
        ),
        (
            settings.streams,
            _InterfaceEndpoint(
                "Kinesis", service.KINESIS_STREAMS, ("kinesis:PutRecords",), settings.data_streams
            ),
        ),
    )
    return [door for wanted, door in doors if wanted]
