"""An AWS account that runs here, and the stack in it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facedex_models.manifests import DEFAULT as PACK
from infra.packages import PackageError, Target, layers
from infra.packages.targets import DEPLOYABLE
from tests.deployed.account import Account, Stack
from tests.deployed.certificates import Certificate
from tests.deployed.commands import Cdk
from tests.deployed.database import Databases
from tests.deployed.emulator import ACCOUNT, REGION, Emulator, namespaces_missing
from tests.tools import npm_packages, python_environment

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def target() -> Target:
    """Return the newest runtime of Lambda whose Python is installed here."""
    try:
        machine = Target.of_this_machine()
    except PackageError as error:
        pytest.skip(str(error))
    for version in reversed(DEPLOYABLE):
        if _interpreter(version):
            return Target(machine.architecture, version)
    pytest.skip(f"MiniStack runs functions with its own Python, and none of {DEPLOYABLE} is here")


@pytest.fixture(scope="session")
def account(
    cdk: None, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """Return a new account that is prepared for deployments."""
    if missing := namespaces_missing():
        pytest.skip(missing)
    interpreter = _interpreter(target.python)
    assert interpreter is not None
    python = python_environment(_HERE.parents[1] / "requirements" / "emulator.txt", interpreter)
    modules = npm_packages(_HERE) / "node_modules"
    folder = tmp_path_factory.mktemp("account")
    databases = Databases(folder)
    certificate = Certificate.create(folder, "127.0.0.1")
    emulator = Emulator(
        folder,
        python=python,
        modules=modules,
        layers=_merge(target, certificate, folder / "opt"),
        database=databases.address,
        certificate=certificate,
    )
    made = Account(emulator, databases, Cdk(modules / ".bin" / "cdk", emulator, folder), target)
    databases.start(certificate)
    try:
        emulator.start()
        made.cdk.bootstrap()
        _allow_publishing(emulator)
        yield made
    finally:
        emulator.stop()
        databases.stop()


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
        video="true",
        topics=topic,
        bulk="true",
        bulk_buckets="albums",
        bulk_reports="reports/facedex",
    )


@pytest.fixture(scope="session")
def keyed(account: Account, local_names: None) -> Stack:
    """Return a second stack beside the first, with access keys of the product's own."""
    return account.deploy(environment="keyed", auth="keys")


def _interpreter(version: str) -> Path | None:
    """Return a Python of that version, from the PATH or from pyenv."""
    names = [f"python{version}"]
    if pyenv := shutil.which("pyenv"):
        listed = subprocess.run(
            [pyenv, "prefix", version], capture_output=True, text=True, check=False
        )
        names.insert(0, f"{listed.stdout.strip()}/bin/python{version}")
    for name in names:
        found = shutil.which(name)
        if (
            found
            and subprocess.run([found, "-V"], capture_output=True, check=False).returncode == 0
        ):
            return Path(found)
    return None


def _merge(target: Target, certificate: Certificate, folder: Path) -> Path:
    """Return a directory with the files of all layers, as Lambda merges a function's layers.

    The layer of the setting ``database_ca`` has the emulator's certificate.
    """
    # Imported here, as it needs the CDK.
    from infra.constructs.database import CERTIFICATES

    for layer in layers(target, packs=(PACK,)).values():
        shutil.copytree(layer, folder, dirs_exist_ok=True)
    authorities = folder / Path(CERTIFICATES).relative_to("/opt")
    authorities.parent.mkdir()
    shutil.copyfile(certificate.chain, authorities)
    return folder


def _allow_publishing(emulator: Emulator) -> None:
    """Let the CDK's role write to its bucket, whose policy allows it at AWS."""
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    emulator.client("iam").put_role_policy(
        RoleName=f"cdk-hnb659fds-file-publishing-role-{ACCOUNT}-{REGION}",
        PolicyName="publishing",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
