"""A simulation of Lambda: its file system, its environment, its Runtime API.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import queue
import shutil
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
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

from infra.packages import HANDLER

_PATIENCE: Final = 120.0  # seconds for a response, on a busy machine
_RUNTIME: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")
_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "test.txt"
_PREFIX: Final = "/2018-06-01/runtime/"


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


def run(
    name: str,
    event: object,
    *,
    task: Path,
    opt: Path,
    runtime: Path,
    python: Sequence[str],
    memory: int,
    timeout: int,
    settings: Mapping[str, str],
) -> Run:
    """Start a function as Lambda does, from its packages only, and send it one event.

    Args:
        task: its code, as in ``/var/task``.
        opt: its layers, as in ``/opt``.
        runtime: a folder with the runtime client.
        python: the command that starts the interpreter.
        memory: its memory setting, MiB.
        timeout: its timeout setting, seconds.
        settings: its environment variables.

    Raises:
        FunctionFailed: if the function fails; the message contains its output.
    """
    with _RuntimeApi(event, timeout) as api:
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
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=said.extend, args=[process.stdout])
        reader.start()
        try:
            kind, body, answered = api.wait_for_answer(process)
            there = kind == "response"
            worked = _processor_time(process.pid) if there else 0.0
            peak = _memory(process.pid) if there else 0.0
            libraries = _libraries(process.pid) if there else frozenset[str]()
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()
    if kind != "response":
        raise FunctionFailed(f"{name} failed: {body.decode()}\n{''.join(said)}")
    return Run(
        json.loads(body),
        api.asked - begun,
        answered - begun,
        worked,
        peak,
        libraries,
        "".join(said),
    )


class _Server(ThreadingHTTPServer):
    """A server that prints nothing about a function that was ended during a request."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _RuntimeApi:
    """The Runtime API of one function, which receives one event."""

    def __init__(self, event: object, timeout: int) -> None:
        self._event = json.dumps(event).encode()
        self._answers: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self._ended = threading.Event()
        self.asked = 0.0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{_PREFIX}invocation/next"
                if service.asked:
                    service._ended.wait()
                    self.close_connection = True
                    return
                service.asked = time.monotonic()
                self._send(
                    200,
                    service._event,
                    {
                        "Content-Type": "application/json",
                        "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
                        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
                        "Lambda-Runtime-Invoked-Function-Arn": (
                            "arn:aws:lambda:us-east-1:123456789012:function:facedex"
                        ),
                        "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
                    },
                )

            def do_POST(self) -> None:
                answered = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # invocation/ID/response, invocation/ID/error or init/error
                *where, kind = self.path.removeprefix(_PREFIX).split("/")
                service._answers.put(("init" if where == ["init"] else kind, body, answered))
                self._send(202, b"", {})

            def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    def wait_for_answer(self, process: subprocess.Popen[str]) -> tuple[str, bytes, float]:
        """What the function posted: its kind, its body, and when."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                return self._answers.get(timeout=0.1)
            except queue.Empty:
                if process.poll() is not None and self._answers.empty():
                    return "exit", f"it ended with {process.returncode}".encode(), 0.0
        return "timeout", f"no answer in {_PATIENCE:.0f} s".encode(), 0.0

    def __enter__(self) -> _RuntimeApi:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


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
