"""The CDK app: ``cdk synth`` writes the template of everything that is deployed.

So far that is where the functions log to; functions, database and API follow.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import App, RemovalPolicy, Stack
from aws_cdk.aws_logs import LogGroup, RetentionDays
from constructs import Construct

from facedex.api.catalog import OPERATIONS, WORKERS

_NAMES: Final = (*WORKERS, *(row.function for row in OPERATIONS.values()))


class Facedex(Stack):
    """Everything that is deployed."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name, description="Amazon Rekognition's face collections, your own")
        for function in _NAMES:
            LogGroup(
                self,
                f"{function}_log",
                log_group_name=f"/aws/lambda/{name}-{function}",
                retention=RetentionDays.ONE_MONTH,
                removal_policy=RemovalPolicy.DESTROY,
            )


def app() -> App:
    """The app with its one stack."""
    made = App()
    Facedex(made, "facedex")
    return made


if __name__ == "__main__":
    app().synth()
