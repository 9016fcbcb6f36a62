"""Aurora PostgreSQL Serverless v2 with pgvector: encrypted, accessed with IAM tokens only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import ArnFormat, CfnDeletionPolicy, Duration, RemovalPolicy, Stack
from aws_cdk.aws_cloudwatch import Stats
from aws_cdk.aws_ec2 import Port, SecurityGroup, SubnetSelection, SubnetType
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_rds import (
    AuroraPostgresEngineVersion,
    BackupProps,
    CfnDBCluster,
    ClusterInstance,
    Credentials,
    DatabaseCluster,
    DatabaseClusterEngine,
    DatabaseProxy,
    DefaultAuthScheme,
    ParameterGroup,
    ProxyTarget,
)
from constructs import Construct, IDependable

from infra.constructs.database_log import LOG, keep_log, parameters
from infra.constructs.database_preparation import NAME, prepare, wake
from infra.constructs.encryption import encrypt
from infra.constructs.logs import log_group
from infra.constructs.network import POSTGRES, Network
from infra.constructs.placing import Placement
from infra.constructs.removal import database_policy
from infra.constructs.review import accept
from infra.constructs.watching import PERIOD, Watch, Watched
from infra.settings import StackSettings
from infra.values import Retention

_MASTER: Final = "postgres"
CERTIFICATES: Final = "/opt/database-ca/bundle.pem"

# The first with pgvector 0.8 is 17.4; Data API and pausing need 17.4 too.
_VERSION: Final = AuroraPostgresEngineVersion.VER_17_7

_FULL: Final = 90.0  # percent of the largest capacity, for the alarm

_REMOVAL: Final = {
    Retention.DESTROY: RemovalPolicy.DESTROY,
    Retention.SNAPSHOT: RemovalPolicy.SNAPSHOT,
    Retention.RETAIN: RemovalPolicy.RETAIN,
}


class Database(Construct):
    """The database cluster, prepared for the functions' role.

    Attributes:
        cluster: the cluster.
        url: connection string of the functions; without a password, as they use IAM tokens.
        ready: resources that must exist before the schema is created.
    """

    def __init__(
        self, scope: Construct, name: str, settings: StackSettings, network: Network, log: LogGroup
    ) -> None:
        super().__init__(scope, name)
        group = SecurityGroup(
            self, "Group", vpc=network.vpc, description="Database", allow_all_outbound=False
        )
        self.cluster = self._cluster(settings, network, group)
        self._set_retention(settings, group)
        self._settings = settings
        # The rules of their groups, and the proxy's target, are resources of their own, to which
        # no reference leads.
        self._reachable: list[IDependable] = [self.cluster, group]
        self.proxy = self._proxy(settings, network) if settings.proxy else None
        if self.proxy is None:
            group.add_ingress_rule(network.clients, Port.tcp(POSTGRES), "Functions")
            network.clients.add_egress_rule(group, Port.tcp(POSTGRES), "Database")
        self._prepared = prepare(self, settings, self.cluster, log)
        self.ready: Sequence[IDependable] = (*self._reachable, self._prepared)
        if settings.database_logs:
            keep_log(self, settings, self.cluster, log)
        self.url = self._url(settings)

    def wake(self, function: Function, network: Placement) -> None:
        """Have a function wake the database before it is prepared.

        Also with a ``min_capacity`` that lets it run always: it may have been 0 until now. A proxy
        does not go with 0, and would answer in the database's place.
        """
        if self.proxy:
            return
        woken = wake(self, self._settings, function)
        woken.node.add_dependency(*self._reachable, *network.ready)
        self._prepared.node.add_dependency(woken)

    @property
    def environment(self) -> Mapping[str, str]:
        """The functions' environment variables for it."""
        return {
            "FACEDEX_DATABASE_AUTH": "iam",
            "FACEDEX_DATABASE_POOLED": str(self.proxy is not None).lower(),
            "FACEDEX_DATABASE_URL": self.url,
        }

    @property
    def watched(self) -> Watched:
        """Its alarm and its figures."""
        capacity = self.cluster.metric_acu_utilization(period=PERIOD, statistic=Stats.AVERAGE)
        connections = self.cluster.metric_database_connections(
            period=PERIOD, statistic=Stats.MAXIMUM
        )
        meaning = "The database is at its max_capacity."
        return Watched(
            (Watch("Capacity", capacity, _FULL, meaning, periods=3),),
            {"Database, % of max_capacity": [capacity], "Database connections": [connections]},
        )

    @property
    def permissions(self) -> list[PolicyStatement]:
        """The permission to connect as the functions' role, and as no other."""
        stack = Stack.of(self)
        # A proxy's own id is the last part of its ARN.
        resource = (
            self.cluster.cluster_resource_identifier
            if self.proxy is None
            else stack.split_arn(
                self.proxy.db_proxy_arn, ArnFormat.COLON_RESOURCE_NAME
            ).resource_name
        )
        user = stack.format_arn(
            service="rds-db",
            resource="dbuser",
            resource_name=f"{resource}/{NAME}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        return [PolicyStatement(actions=["rds-db:connect"], resources=[user])]

    def _cluster(
        self, settings: StackSettings, network: Network, group: SecurityGroup
    ) -> DatabaseCluster:
        engine = DatabaseClusterEngine.aurora_postgres(version=_VERSION)
        cluster = DatabaseCluster(
            self,
            "Cluster",
            engine=engine,
            vpc=network.vpc,
            vpc_subnets=SubnetSelection(subnet_type=SubnetType.PRIVATE_ISOLATED),
            security_groups=[group],
            writer=ClusterInstance.serverless_v2("Writer"),
            readers=[
                # As large as the writer at any time, so that one of them can take over.
                ClusterInstance.serverless_v2(f"Reader{number}", scale_with_writer=True)
                for number in range(1, settings.readers + 1)
            ],
            serverless_v2_min_capacity=settings.min_capacity,
            serverless_v2_max_capacity=settings.max_capacity,
            serverless_v2_auto_pause_duration=(
                Duration.seconds(settings.pause_after) if settings.min_capacity == 0 else None
            ),
            # RDS creates the password, stores it in Secrets Manager and rotates it every week.
            manage_master_user_password=True,
            credentials=Credentials.from_username(_MASTER),
            default_database_name=NAME,
            parameter_group=ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                parameters=parameters(settings),
                removal_policy=database_policy(settings),
            ),
            iam_authentication=True,
            storage_encrypted=True,
            cloudwatch_logs_exports=[LOG] if settings.database_logs else None,
            enable_data_api=True,
            backup=BackupProps(retention=Duration.days(settings.backup_days)),
            copy_tags_to_snapshot=True,
            deletion_protection=settings.retention is Retention.RETAIN,
            removal_policy=_REMOVAL[settings.retention],
        )
        accept(
            cluster,
            {
                "AwsSolutions-RDS10": "Deletion protection comes with retention=retain; otherwise"
                " the stack is to be destroyed without being asked twice.",
                "AwsSolutions-RDS11": "The port is no secret: only the functions' security group"
                " can reach it.",
                "AwsSolutions-SMG4": "RDS makes and rotates the master's password.",
            },
        )
        return cluster

    def _set_retention(self, settings: StackSettings, group: SecurityGroup) -> None:
        resource = self.cluster.node.default_child
        assert isinstance(resource, CfnDBCluster)
        encrypt(resource, settings)
        # A change that replaces the cluster never loses what was in it, whatever the setting.
        resource.cfn_options.update_replace_policy = (
            CfnDeletionPolicy.RETAIN
            if settings.retention is Retention.RETAIN
            else CfnDeletionPolicy.SNAPSHOT
        )
        # Otherwise the removal of the stack would fail at resources that a retained cluster still
        # uses.
        group.apply_removal_policy(database_policy(settings))

    def _proxy(self, settings: StackSettings, network: Network) -> DatabaseProxy:
        own = SecurityGroup(
            self, "ProxyGroup", vpc=network.vpc, description="Proxy", allow_all_outbound=False
        )
        network.clients.add_egress_rule(own, Port.tcp(POSTGRES), "Database proxy")
        own.add_ingress_rule(network.clients, Port.tcp(POSTGRES), "Functions")
        # The proxy adds the rule for its own way to the database.
        role = Role(self, "ProxyRole", assumed_by=ServicePrincipal("rds.amazonaws.com"))
        self.cluster.grant_connect(role, NAME)
        # RDS would create a log group of this name itself, without an expiry, and it would remain.
        log = log_group(self, "ProxyLog", f"/aws/rds/proxy/{settings.stack}", settings)
        proxy = DatabaseProxy(
            self,
            "Proxy",
            db_proxy_name=settings.stack,
            proxy_target=ProxyTarget.from_cluster(self.cluster),
            vpc=network.vpc,
            vpc_subnets=SubnetSelection(subnet_type=SubnetType.PRIVATE_ISOLATED),
            security_groups=[own],
            # With IAM tokens from end to end the proxy stores no password.
            default_auth_scheme=DefaultAuthScheme.IAM_AUTH,
            require_tls=True,
            role=role,
        )
        proxy.node.add_dependency(log)
        self._reachable += [proxy, own]
        return proxy

    def _url(self, settings: StackSettings) -> str:
        host = self.proxy.endpoint if self.proxy else self.cluster.cluster_endpoint.hostname
        tls = (
            f"sslmode=verify-full&sslrootcert={CERTIFICATES}"
            if settings.database_ca
            else "sslmode=require"
        )
        return f"postgresql://{NAME}@{host}:{POSTGRES}/{NAME}?{tls}"
