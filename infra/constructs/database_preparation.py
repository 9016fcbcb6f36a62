"""Preparation of the database as its master user, through the RDS Data API."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aws_cdk import CustomResource, Duration
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_rds import CfnDBCluster, DatabaseCluster
from aws_cdk.custom_resources import (
    AwsCustomResource,
    AwsCustomResourcePolicy,
    AwsSdkCall,
    PhysicalResourceId,
)
from constructs import Construct

import facedex.store
from facedex import __version__
from infra.constructs.encryption import key_arn, usage
from infra.settings import StackSettings

NAME: Final = "facedex"  # of the database, and of the role that the functions are

# Gives the tables of the audit log to a role of their own.
_SEPARATION: Final = Path(str(facedex.store.__file__)).parent / "separate_audit.sql"

# Seconds after which Postgres cancels a statement, and an idle transaction.
_STATEMENT: Final = 20
# Seconds after which Postgres ends an idle connection. Functions are frozen between two calls and
# cannot close their connections, and a database with a connection does not pause.
_IDLE: Final = 60
# Seconds that CloudFormation waits for the answer of the function that wakes the database, which
# waits for up to 180.
_WAKING: Final = 300


def preparation(settings: StackSettings) -> str:
    """Return the SQL that prepares the database as its master user; safe to repeat.

    It creates the role of the functions, which owns nothing but what it creates itself, and a
    function with which the migration gives the tables of the audit log to another role. The
    timeouts are set on the role, not by the functions, because a proxy cannot share connections
    with settings of their own. It is one statement because the Data API accepts one at a time.
    """
    idle = _IDLE if settings.min_capacity == 0 else 0
    return f"""\
DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{NAME}') THEN CREATE ROLE {NAME} LOGIN; END IF;
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{NAME}_audit') THEN
CREATE ROLE {NAME}_audit NOLOGIN; END IF;
GRANT rds_iam TO {NAME};
ALTER ROLE {NAME} SET statement_timeout = '{_STATEMENT}s';
ALTER ROLE {NAME} SET idle_in_transaction_session_timeout = '{_STATEMENT}s';
ALTER ROLE {NAME} SET idle_session_timeout = '{idle}s';
GRANT USAGE, CREATE ON SCHEMA public TO {NAME};
CREATE EXTENSION IF NOT EXISTS vector;
CREATE OR REPLACE FUNCTION separate_audit() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $separate$ BEGIN
{_SEPARATION.read_text("utf-8")}END $separate$;
REVOKE ALL ON FUNCTION separate_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION separate_audit() TO {NAME};
END $$"""


def prepare(
    scope: Construct, settings: StackSettings, cluster: DatabaseCluster, log: LogGroup
) -> AwsCustomResource:
    """Run :func:`preparation` in each deployment.

    Args:
        scope: the database's construct.
        settings: of the stack.
        cluster: the database.
        log: for the function that runs it.
    """
    resource = cluster.node.default_child
    assert isinstance(resource, CfnDBCluster)
    secret = resource.attr_master_user_secret_secret_arn
    key = key_arn(scope, settings)
    call = AwsSdkCall(
        service="rds-data",
        action="executeStatement",
        parameters={
            "resourceArn": cluster.cluster_arn,
            "secretArn": secret,
            "database": NAME,
            "sql": preparation(settings),
        },
        physical_resource_id=PhysicalResourceId.of("preparation"),
    )
    prepared = AwsCustomResource(
        scope,
        "Preparation",
        on_create=call,
        on_update=call,
        install_latest_aws_sdk=False,
        timeout=Duration.minutes(2),
        log_group=log,
        policy=AwsCustomResourcePolicy.from_statements(
            [
                PolicyStatement(
                    actions=["rds-data:ExecuteStatement"], resources=[cluster.cluster_arn]
                ),
                PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[secret]),
                *([usage(scope, key, ["secretsmanager"])] if key else []),
            ]
        ),
    )
    # A cluster without an instance cannot answer.
    prepared.node.add_dependency(cluster)
    return prepared


def wake(scope: Construct, settings: StackSettings, function: Function) -> CustomResource:
    """Wake the database by a function of its network, before :func:`prepare` runs again.

    The RDS Data API resumes a paused database, but does not wait for it: the call fails with
    DatabaseResumingException, which SDKs do not repeat, and with it the deployment.

    Args:
        scope: the database's construct.
        settings: of the stack.
        function: the function ``migrate``.
    """
    return CustomResource(
        scope,
        "Waking",
        resource_type="Custom::FacedexWaking",
        service_token=function.function_arn,
        # It runs whenever the preparation does: with another text, or another construct library.
        properties={
            "Action": "wake",
            "Preparation": hashlib.sha256(preparation(settings).encode()).hexdigest(),
            "Release": __version__,
        },
        service_timeout=Duration.seconds(_WAKING),
    )
