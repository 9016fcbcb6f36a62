"""Run the stack in an emulator of AWS on this machine, to try it by hand.

Pass settings of the deployment as ``name=value``. Ctrl-C ends everything and removes its files.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.deployed.account import Account, Stack
from tests.deployed.commands import DeploymentFailed
from tests.deployed.emulator import ACCOUNT, REGION
from tests.deployed.starting import newest_target, started


def main() -> None:
    settings = _settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="facedex-account-") as folder,
            started(Path(folder), newest_target()) as account,
        ):
            stack = account.deploy(**settings)
            script = Path(folder) / "account.sh"
            script.write_text(_exports(_variables(account, stack)))
            print(_instructions(account, stack, script), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except (DeploymentFailed, pytest.skip.Exception) as error:
        sys.exit(str(error))


def _settings() -> dict[str, str]:
    parser = argparse.ArgumentParser(prog="python -m tests.deployed", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="name=value")
    given = parser.parse_args().settings
    if wrong := [each for each in given if "=" not in each]:
        parser.error(f"not name=value: {wrong[0]}")
    return {"environment": "dev"} | dict(each.split("=", 1) for each in given)


def _instructions(account: Account, stack: Stack, script: Path) -> str:
    context = [f"-c {name}={value}" for name, value in account.deployed[stack.name].items()]
    lines = [
        f"The stack {stack.name} is deployed. Use it in another shell:",
        "",
        f". {script}",
        "aws rekognition list-collections",
        f"npx aws-cdk destroy {' '.join(context)}",
        "",
        *(f"{name}: {value}" for name, value in stack.outputs.items()),
        "",
    ]
    host = urlsplit(_address(account, stack)).hostname or ""
    if not _resolves(host):
        lines += [f"This machine does not know the API's name. In /etc/hosts: 127.0.0.1 {host}", ""]
    return "\n".join([*lines, "Ctrl-C ends the emulator."])


def _address(account: Account, stack: Stack) -> str:
    """Return the API's address: for keys with the path that callers sign, else where IAM judges."""
    return stack.keyed_url if account.deployed[stack.name].get("auth") == "keys" else stack.url


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _variables(account: Account, stack: Stack) -> Mapping[str, str]:
    # SSL_CERT_FILE would replace the authorities that other programs of that shell trust.
    given = {
        name: value for name, value in account.emulator.variables.items() if name != "SSL_CERT_FILE"
    }
    return given | {
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_REKOGNITION": _address(account, stack),
        "UPLOADS": stack.outputs.get("UploadsBucket", ""),
    }


def _exports(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


if __name__ == "__main__":
    main()
