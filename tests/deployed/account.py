"""The account's stacks, and clients that call them through API Gateway."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import create_default_context
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from infra.packages import Target
from tests.deployed.commands import Cdk
from tests.deployed.database import Databases
from tests.deployed.emulator import REGION, Emulator

Found = TypeVar("Found")

EVENTS = Path(__file__).parents[2] / "events"


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: its name in CloudFormation.
        outputs: its outputs.
        emulator: the account that it is in.
    """

    name: str
    outputs: dict[str, str]
    emulator: Emulator

    @property
    def api(self) -> str:
        """The id of its API."""
        return self.outputs["Endpoint"].removeprefix("https://").partition(".")[0]

    @property
    def url(self) -> str:
        """The API's address in the emulator, at which IAM judges callers."""
        return f"{self.emulator.url}/restapis/{self.api}/live/_user_request_/"

    @property
    def keyed_url(self) -> str:
        """The API's address by its host name, with the path that AWS's own addresses have."""
        return f"https://{self.api}.execute-api.localhost:{self.emulator.port}/live/"

    @property
    def uploads(self) -> str:
        """The name of its uploads bucket."""
        return self.outputs["UploadsBucket"]

    def function(self, name: str) -> str:
        """Return a function's name in the account."""
        return f"{self.name}-{name}"

    def caller(self, *, key: str = "test", secret: str = "test") -> Any:
        """Return a boto3 client of Rekognition that signs as docs/deploy.md shows for IAM."""
        client = self._rekognition(self.url, key, secret)

        def sign_for_the_gateway(request: Any, **_: Any) -> None:
            request.context.setdefault("signing", {})["signing_name"] = "execute-api"

        client.meta.events.register("before-sign.rekognition", sign_for_the_gateway)
        return client

    def key_holder(self, key: str, secret: str) -> Any:
        """Return an unmodified boto3 client of Rekognition that signs with a key of the product."""
        return self._rekognition(self.keyed_url, key, secret)

    def ask_unsigned(self, url: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the refusal of an unsigned GET."""
        trusted = create_default_context(cafile=str(self.emulator.certificate.chain))
        try:
            urllib.request.urlopen(url, context=trusted, timeout=30).close()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.loads(refusal.read())
        raise AssertionError(f"{url} answered an unsigned request")

    def invoke(self, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of a function that is invoked without API Gateway."""
        functions = self.emulator.client("lambda")
        called = functions.invoke(FunctionName=self.function(name), Payload=json.dumps(event))
        answer: dict[str, Any] = json.loads(called["Payload"].read())
        assert "FunctionError" not in called, answer
        return answer

    def resources(self) -> list[dict[str, Any]]:
        """Return what CloudFormation says of the stack's resources."""
        pages = self.emulator.client("cloudformation").get_paginator("list_stack_resources")
        return [
            each
            for page in pages.paginate(StackName=self.name)
            for each in page["StackResourceSummaries"]
        ]

    def queue(self, part: str) -> str:
        """Return the URL of the queue with this part in its logical id."""
        (found,) = (
            each["PhysicalResourceId"]
            for each in self.resources()
            if each["ResourceType"] == "AWS::SQS::Queue" and part in each["LogicalResourceId"]
        )
        return str(found)

    def _rekognition(self, url: str, key: str, secret: str) -> Any:
        return boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=str(self.emulator.certificate.chain),
            config=Config(retries={"max_attempts": 1}, read_timeout=60),
        )


@dataclass(frozen=True)
class Account:
    """An AWS account in the emulator.

    Attributes:
        emulator: its services.
        databases: its Aurora clusters.
        cdk: the command that deploys into it.
        target: the runtime of its functions.
    """

    emulator: Emulator
    databases: Databases
    cdk: Cdk
    target: Target
    deployed: dict[str, dict[str, str]] = field(default_factory=dict)

    def deploy(self, **settings: str) -> Stack:
        """Deploy the stack with these settings, or update it."""
        given = {
            "python": self.target.python,
            "architecture": self.target.architecture,
            **settings,
        }
        outputs = self.cdk.deploy(given)
        name = f"facedex-{settings['environment']}"
        self.deployed[name] = given
        return Stack(name, outputs, self.emulator)

    def destroy(self, stack: Stack) -> None:
        """Remove a stack as it was deployed."""
        self.cdk.destroy(self.deployed.pop(stack.name))


def wait_for(
    look: Callable[[], Found | None], what: str, *, seconds: float = 120.0, step: float = 0.3
) -> Found:
    """Return the first value that is not empty.

    Raises:
        AssertionError: if there was none in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(step)
    raise AssertionError(f"{what} did not appear within {seconds:.0f} s")
