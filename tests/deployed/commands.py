"""The CDK's own command, as docs/deploy.md uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployed.emulator import ACCOUNT, REGION, Emulator

_ROOT = Path(__file__).parents[2]
# CloudFormation waits an hour for a custom resource that has crashed.
_LONGEST = 400.0


@dataclass(frozen=True)
class Cdk:
    """``cdk`` for one account.

    Attributes:
        command: path of the command.
        emulator: the account.
        folder: where templates are written.
    """

    command: Path
    emulator: Emulator
    folder: Path

    def bootstrap(self) -> None:
        """Prepare the account for deployments."""
        self._run("bootstrap", f"aws://{ACCOUNT}/{REGION}")

    def deploy(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Deploy the stack with these settings, and return its outputs.

        Raises:
            DeploymentFailed: if the command failed.
        """
        outputs = self.folder / "outputs.json"
        outputs.unlink(missing_ok=True)
        self._run(
            "deploy",
            *self._app(settings),
            f"--outputs-file={outputs}",
            "--require-approval=never",
            "--progress=events",
        )
        ((_, found),) = json.loads(outputs.read_text()).items()
        return dict(found)

    def destroy(self, settings: Mapping[str, Any]) -> None:
        """Remove the stack that was deployed with these settings."""
        self._run("destroy", *self._app(settings), "--force")

    def _app(self, settings: Mapping[str, Any]) -> list[str]:
        context = [f"--context={name}={value}" for name, value in settings.items()]
        return [f"--app={sys.executable} -m infra", f"--output={self.folder / 'out'}", *context]

    def _run(self, *arguments: str) -> None:
        quiet = {
            "CI": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": REGION,
            "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        }
        done = subprocess.run(
            [str(self.command), *arguments, "--no-notices", "--no-version-reporting"],
            cwd=_ROOT,
            env={**self.emulator.environment, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
        if done.returncode:
            raise DeploymentFailed(done.stdout[-8000:])


class DeploymentFailed(Exception):
    """The command ended with an error; its output is the message."""
