"""An AWS account that runs here, and the stack in it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from infra.packages import Target
from tests.deployed.account import Account, Stack
from tests.deployed.starting import newest_target, started

# The lines of the summary about the memory of functions.
MEASURED = pytest.StashKey[list[str]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the memory and the first invocations of the functions that ran in the emulator."""
    if lines := config.stash.get(MEASURED, None):
        terminalreporter.section("functions in the emulator")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def target() -> Target:
    return newest_target()


@pytest.fixture(scope="session")
def account(
    cdk: None, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """Return a new account that is prepared for deployments."""
    with started(tmp_path_factory.mktemp("account"), target) as made:
        yield made


@pytest.fixture(scope="session")
def local_names() -> Iterator[None]:
    """Resolve names below localhost to this machine, as RFC 6761 says and not every system does."""
    look_up = socket.getaddrinfo

    def find(host: Any, *arguments: Any, **named: Any) -> Any:
        local = str(host).endswith(".localhost")
        return look_up("127.0.0.1" if local else host, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", find)
        yield


@pytest.fixture(scope="session")
def stack(account: Account, local_names: None) -> Stack:
    """Return the stack as docs/deploy.md deploys it, with films and bulk executions."""
    topic = account.emulator.client("sns").create_topic(Name="done")["TopicArn"]
    return account.deploy(
        environment="story",
        console="true",
        video="true",
        topics=topic,
        bulk="true",
        bulk_buckets="albums",
        bulk_reports="reports/facedex",
    )


@pytest.fixture(scope="session")
def keyed(account: Account, local_names: None) -> Stack:
    """Return a second stack beside the first, with access keys of the product's own."""
    return account.deploy(environment="keyed", auth="keys", console="true")
