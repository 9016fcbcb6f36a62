"""A user's own Postgres and network, in which the stack creates nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_lambda import CfnFunction, Function
from constructs import Construct, IDependable

from infra.constructs.database import CERTIFICATES
from infra.constructs.placing import Placement
from infra.constructs.watching import Watched
from infra.database_urls import PUBLIC_AUTHORITIES, parts_of
from infra.settings import StackSettings
from infra.values import DatabaseAuth


class ExistingDatabase:
    """The database of the setting ``database_url``.

    Args:
        scope: the stack.
    """

    def __init__(self, scope: Construct, settings: StackSettings) -> None:
        self._stack = Stack.of(scope)
        self._settings = settings
        self._parts = parts_of(settings.database_url)
        self.ready: Sequence[IDependable] = ()
        self.watched = Watched((), {})

    def wake(self, function: Function, network: Placement) -> None:
        """Change nothing: the stack prepares nothing in the user's database."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The functions' environment variables for it."""
        settings, parts = self._settings, self._parts
        host = f"[{parts['host']}]" if ":" in parts["host"] else parts["host"]
        options = {
            "sslmode": "verify-full",
            "sslrootcert": CERTIFICATES if settings.database_ca else PUBLIC_AUTHORITIES,
        }
        if binding := parts.get("channel_binding"):
            options["channel_binding"] = binding
        query = "&".join(f"{name}={value}" for name, value in options.items())
        place = f"{parts['user']}@{host}:{parts['port']}/{parts['dbname']}"
        variables = {
            "FACEDEX_DATABASE_AUTH": settings.database_auth.value,
            "FACEDEX_DATABASE_POOLED": str(settings.database_pooled).lower(),
            "FACEDEX_DATABASE_URL": f"postgresql://{place}?{query}",
        }
        if settings.database_secret:
            variables["FACEDEX_DATABASE_SECRET"] = settings.database_secret
        return variables

    @property
    def permissions(self) -> list[PolicyStatement]:
        """The permission to connect as one role, or to read one secret."""
        settings = self._settings
        if settings.database_auth is DatabaseAuth.IAM:
            user = self._stack.format_arn(
                service="rds-db",
                resource="dbuser",
                resource_name=f"{settings.database_resource}/{self._parts['user']}",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            return [PolicyStatement(actions=["rds-db:connect"], resources=[user])]
        secret = settings.database_secret
        reading = PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[secret])
        if not settings.database_secret_key:
            return [reading]
        through = f"secretsmanager.{secret.split(':')[3]}.{self._stack.url_suffix}"
        decrypting = PolicyStatement(
            actions=["kms:Decrypt"],
            resources=[settings.database_secret_key],
            conditions={"StringEquals": {"kms:ViaService": through}},
        )
        return [reading, decrypting]


class ExistingNetwork:
    """The user's subnets of the settings, or none."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings
        self.in_vpc = bool(settings.subnet_ids)
        self.ready: Sequence[IDependable] = ()

    def options(self, *, calls: bool) -> Mapping[str, Any]:  # noqa: ARG002
        """Return no options: the construct library needs more than the ids of the settings."""
        return {}

    def place(self, function: Function) -> None:
        """Attach a function to the subnets."""
        resource = function.node.default_child
        assert isinstance(resource, CfnFunction)
        if self.in_vpc:
            resource.vpc_config = CfnFunction.VpcConfigProperty(
                subnet_ids=list(self._settings.subnet_ids),
                security_group_ids=list(self._settings.security_group_ids),
            )

    def allow_in_s3(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        """Change nothing: endpoints in the user's network have the user's policies."""
