"""A simulation of Lambda: its file system, its environment, and its processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from infra.packages import HANDLER
from tests.packages.runtime_api import RuntimeApi

_RUNTIME: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")
_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "test.txt"


@dataclass(frozen=True, slots=True)
class Run:
    """The response of a function in a separate process, and the resources that it used.

    Attributes:
        answer: the result of its handler.
        started: seconds from the start of the process until it requested an event.
        answered: seconds from the start of the process to its answer.
        worked: seconds that processors worked for it until then.
        peak: peak memory, MiB.
        libraries: files mapped into its memory.
        log: its output.
    """

    answer: Any
    started: float
    answered: float
    worked: float
    peak: float
    libraries: frozenset[str]
    log: str


class FunctionFailed(AssertionError):
    """The function could not be started, or its handler raised."""


def lay_out(layers: list[Path], opt: Path) -> None:
    """Merge layers into one folder, as in ``/opt``."""
    for layer in layers:
        shutil.copytree(layer, opt, copy_function=_link, dirs_exist_ok=True)


def copy_runtime(folder: Path) -> None:
    """Copy AWS's runtime client and its dependencies, which Lambda provides besides the layers."""
    for name in _RUNTIME:
        for file in files(name) or ():
            # Without scripts, which are outside the folder on the path.
            if ".." not in file.parts and file.suffix != ".pyc":
                place = folder / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), place)


def runtime_pins() -> list[str]:
    """Return the pins of the runtime client with hashes, as lines of a requirements file."""
    lines = _REQUIREMENTS.read_text("utf-8").replace("\\\n", "").splitlines()
    return [line for line in lines if line.partition("==")[0] in _RUNTIME]


def this_python() -> tuple[str, ...]:
    """Return the command of an interpreter that is not the virtual environment's."""
    return (str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")),)


def run(name: str, event: object, **options: Any) -> Run:
    """Start a function as Lambda does, from its packages only, and send it one event.

    Args:
        options: as of :func:`container`.

    Raises:
        FunctionFailed: if the function fails; the message contains its output.
    """
    with container(name, **options) as started:
        return started.invoke(event)


@contextmanager
def container(
    name: str,
    *,
    task: Path,
    opt: Path,
    runtime: Path,
    python: Sequence[str],
    memory: int,
    timeout: int,
    settings: Mapping[str, str],
) -> Iterator[Container]:
    """Start a function as Lambda does, from its packages only, and end it after the block.

    Args:
        task: its code, as in ``/var/task``.
        opt: its layers, as in ``/opt``.
        runtime: a folder with the runtime client.
        python: the command that starts the interpreter.
        memory: its memory setting, MiB.
        timeout: its timeout setting, seconds.
        settings: its environment variables.
    """
    with RuntimeApi(timeout) as api:
        environment = {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LD_LIBRARY_PATH": f"{opt / 'lib'}",
            # In Lambda these folders are read-only.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(map(str, (task, opt / "python", runtime))),
            "LAMBDA_TASK_ROOT": str(task),
            "LAMBDA_RUNTIME_DIR": str(runtime),
            "AWS_EXECUTION_ENV": "AWS_Lambda_python",
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": f"facedex-{name}",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/facedex-{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
            "_HANDLER": HANDLER.format(name=name),
            **settings,
        }
        # A file has all that was written before an answer. A pipe would still have to be read.
        with TemporaryFile() as output:
            begun = time.monotonic()
            process = subprocess.Popen(
                [
                    *python,
                    "-sS",  # without its own site-packages
                    "-X",
                    "faulthandler",
                    "-m",
                    "awslambdaric",
                    environment["_HANDLER"],
                ],
                cwd=task,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield Container(name, process, api, begun, output)
            finally:
                process.kill()
                process.wait()


@dataclass(frozen=True, slots=True)
class Container:
    """A process of a function, which answers one event after the other."""

    name: str
    process: subprocess.Popen[bytes]
    api: RuntimeApi
    begun: float
    output: IO[bytes]

    def invoke(self, event: object) -> Run:
        """Send an event and return the response.

        Raises:
            FunctionFailed: if the function fails; the message contains its output.
        """
        self.api.give(event)
        kind, body, answered = self.api.wait_for_answer(self.process)
        if kind != "response":
            self.process.kill()
            self.process.wait()
            raise FunctionFailed(f"{self.name} failed: {body.decode()}\n{self._log()}")
        pid = self.process.pid
        return Run(
            json.loads(body),
            self.api.asked - self.begun,
            answered - self.begun,
            _processor_time(pid),
            _memory(pid),
            _libraries(pid),
            self._log(),
        )

    def _log(self) -> str:
        """Return what the process has written."""
        file = self.output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process during the block, as Lambda does between two events."""
        self.api.wait_until_idle()
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


class Receiver:
    """A URL that accepts one PUT of JSON, such as the response URL of a custom resource.

    Attributes:
        received: the documents received.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: dict[str, Any] = {}


@contextmanager
def put_receiver() -> Iterator[Receiver]:
    """Accept PUTs on a loopback address while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            receiver.received = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/answer")
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _processor_time(pid: int) -> float:
    """Return the seconds that a process has used, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Return the peak memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _libraries(pid: int) -> frozenset[str]:
    lines = Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()
    fields = (line.split(maxsplit=5) for line in lines)
    return frozenset(field[5] for field in fields if len(field) == 6 and field[5][0] == "/")


def _link(source: str, destination: str) -> None:
    """Create a hard link, or a copy if the link would cross file systems."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)
