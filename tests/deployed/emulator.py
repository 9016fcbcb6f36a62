"""MiniStack in namespaces of its own, with the functions' layers at ``/opt``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from ssl import create_default_context
from typing import Any

import boto3
from botocore.config import Config

from tests.deployed.certificates import Certificate
from tests.ports import free_port

REGION = "us-east-1"
ACCOUNT = "000000000000"
# The emulator's root credentials: everything else is judged by IAM.
ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_STARTUP = 120.0
_LAUNCHER = Path(__file__).with_name("launcher.py")


class Emulator:
    """One AWS account.

    Attributes:
        url: endpoint of every service.
        variables: with which a program uses this account as its root user.
        environment: this process's own variables with them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        python: Path,
        modules: Path,
        layers: Path,
        database: str,
        certificate: Certificate,
    ) -> None:
        """Prepare an emulator without starting it.

        Args:
            folder: for its files and its log.
            python: interpreter with MiniStack, of the functions' version.
            modules: the npm modules that the CDK's own functions need.
            layers: a directory that is ``/opt`` for the functions.
            database: address of the Postgres that every cluster is.
            certificate: for its endpoint.
        """
        self._python, self._layers, self._folder = python, layers, folder
        self._log = folder / "emulator.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.certificate = certificate
        chain = str(certificate.chain)
        trust = dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), chain)
        self.variables = {
            **trust,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.environment = {**_inherited(), **self.variables}
        self._own = {
            **_inherited(),
            **trust,
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_SSL_CERT": chain,
            "MINISTACK_SSL_KEY": str(certificate.key),
            "USE_SSL": "1",
            "AUTH": "true",
            "LAMBDA_EXECUTOR": "local",
            "S3_DATA_DIR": str(folder / "s3"),
            "TMPDIR": str(folder / "tmp"),
            "NODE_PATH": str(modules),
            "SFN_WAIT_SCALE": "0.01",  # pauses before repetitions of a step
            "IMDS_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PGHOSTADDR": database,
        }

    def start(self) -> None:
        """Start the emulator and wait until it answers."""
        (self._folder / "tmp").mkdir()
        # The process namespace ends every worker with the emulator; the mount namespace has the
        # layers at /opt, which is where Lambda has them.
        command = [*_namespaces(), "sh", "-c", 'mount --bind "$0" /opt && exec "$@"']
        command += [str(self._layers), str(self._python), str(_LAUNCHER)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._own,
                start_new_session=True,
            )
        context = create_default_context(cafile=str(self.certificate.chain))
        deadline = time.monotonic() + _STARTUP
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/_ministack/health", context=context, timeout=5)
            except OSError:
                time.sleep(0.2)
            else:
                return
        self.stop()
        raise AssertionError(f"MiniStack did not start: {self.log()}")

    @property
    def pid(self) -> int:
        """The id of the process whose descendants run the functions."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End the emulator and everything that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    def log(self) -> str:
        """Return the end of what the emulator and its functions have printed."""
        return self._log.read_text(errors="replace")[-20_000:]

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of the account, its root user's unless the options differ."""
        chosen: dict[str, Any] = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "verify": str(self.certificate.chain),
            "config": Config(s3={"addressing_style": "path"}),
            **ROOT,
        }
        return boto3.client(service, **(chosen | options))  # type: ignore[call-overload]


def namespaces_missing() -> str:
    """Return why processes cannot have namespaces of their own here, or an empty string."""
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        return "util-linux's unshare and setpriv are not installed"
    tried = subprocess.run(
        [*_namespaces(), "sh", "-c", "mount --bind /usr /opt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"namespaces are not available: {tried.stderr.strip()}" if tried.returncode else ""


def _namespaces() -> list[str]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    own = ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # So that nothing remains if the tests are killed.
    return ["setpriv", "--pdeathsig=KILL", *own]


def _inherited() -> Mapping[str, str]:
    """Return this process's variables without those of AWS and of the product."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "FACEDEX_", "PG", "CDK_", "PYTHON", "VIRTUAL_ENV"))
    }
