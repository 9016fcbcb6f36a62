"""Where functions run and connect: the stack's own database and network, or the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_lambda import Function
from constructs import IDependable

from infra.constructs.watching import Watched


class DatabaseAccess(Protocol):
    """A database that functions connect to."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The functions' environment variables for it; none of them is secret."""

    @property
    def permissions(self) -> Sequence[PolicyStatement]:
        """What a function must be allowed in order to connect."""

    @property
    def ready(self) -> Sequence[IDependable]:
        """What must exist before the schema is created."""

    @property
    def watched(self) -> Watched:
        """Its alarms and figures."""

    def wake(self, function: Function, network: Placement) -> None:
        """Have a function of the network wake the database before the stack prepares it.

        Args:
            function: the function ``migrate``.
        """


class Placement(Protocol):
    """Where functions that connect to the database run."""

    @property
    def in_vpc(self) -> bool:
        """Whether they are in a VPC."""

    @property
    def ready(self) -> Sequence[IDependable]:
        """What must exist while they run."""

    def options(self, *, calls: bool) -> Mapping[str, Any]:
        """Return the options of a function's construct.

        Args:
            calls: whether the function calls other services of AWS.
        """

    def place(self, function: Function) -> None:
        """Complete a function that was created with the options."""

    def allow_in_s3(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        """Allow functions some actions in S3 on their way there."""
