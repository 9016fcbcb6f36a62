"""The start of an AWS account on this machine: emulator, databases and the CDK's command."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facedex_models.manifests import DEFAULT as PACK
from infra.packages import PackageError, Target, layers
from infra.packages.targets import DEPLOYABLE
from tests.deployed.account import Account
from tests.deployed.certificates import Certificate
from tests.deployed.commands import Cdk
from tests.deployed.database import Databases
from tests.deployed.emulator import ACCOUNT, REGION, Emulator, namespaces_missing
from tests.tools import npm_packages, python_environment

_HERE = Path(__file__).parent


def newest_target() -> Target:
    """Return the newest runtime of Lambda whose Python is installed here; skip without one."""
    try:
        machine = Target.of_this_machine()
    except PackageError as error:
        pytest.skip(str(error))
    for version in reversed(DEPLOYABLE):
        if _interpreter(version):
            return Target(machine.architecture, version)
    pytest.skip(f"MiniStack runs functions with its own Python, and none of {DEPLOYABLE} is here")


@contextmanager
def started(folder: Path, target: Target) -> Iterator[Account]:
    """Yield a new account that is prepared for deployments; skip where none can be started.

    Args:
        folder: for the account's files.
        target: the runtime of its functions.
    """
    if missing := namespaces_missing():
        pytest.skip(missing)
    interpreter = _interpreter(target.python)
    assert interpreter is not None
    python = python_environment(_HERE.parents[1] / "requirements" / "emulator.txt", interpreter)
    modules = npm_packages(_HERE) / "node_modules"
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
