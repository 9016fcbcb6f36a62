"""The database's schema, brought up to date by a function before newer code runs on it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aws_cdk import CustomResource, Duration
from aws_cdk.aws_lambda import Function
from constructs import Construct

import facedex.store
from infra.constructs.placing import DatabaseAccess, Placement

_MIGRATIONS: Final = Path(str(facedex.store.__file__)).parent / "migrations"
_SPARE: Final = 60  # seconds that CloudFormation waits for an answer beyond the function's own time


class Schema(Construct):
    """A custom resource that everything which needs the schema depends on."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        database: DatabaseAccess,
        network: Placement,
        migrate: Function,
    ) -> None:
        super().__init__(scope, name)
        assert migrate.timeout is not None
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::FacedexSchema",
            service_token=migrate.function_arn,
            # A change makes CloudFormation request a migration: of new files, or of a database
            # that has replaced another.
            properties={
                "Migrations": _digest(),
                "Database": database.environment["FACEDEX_DATABASE_URL"],
            },
            service_timeout=Duration.seconds(migrate.timeout.to_seconds() + _SPARE),
        )
        # The database must exist before the migration, and the route for its answer until after it.
        resource.node.add_dependency(*database.ready, *network.ready)


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_MIGRATIONS.glob("*.sql")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
