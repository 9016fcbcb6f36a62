"""What metrics and traces add to a request."""

from __future__ import annotations

import os
import tempfile
import timeit
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from facedex.observability import metrics, recording
from facedex_local.metrics import files
from tests.bench.measuring import milliseconds, portrait, report, side_by_side
from tests.bench.serving import serving
from tests.integration.observing import Receiver

ROUNDS: Final = 400
CALLS: Final = 20_000


def cost(call: Callable[[], object]) -> str:
    """Return the median time of a call."""
    runs = timeit.repeat(call, number=CALLS, repeat=7)
    return f"{1e6 * median(runs) / CALLS:.2f} us"


def seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def step() -> None:
    """Time a step, as a room does."""
    with recording.timed(metrics.SEARCH_DURATION, "faces"):
        pass


def seam() -> list[str]:
    """Return the costs of the seam's calls without and with Prometheus' recorder."""
    count = partial(recording.record, metrics.REQUESTS, 1, "ListFaces", "200", "OK")
    lines = [f"off: a count {cost(count)}, a timed step {cost(step)}"]
    with tempfile.TemporaryDirectory() as folder:
        files.prepare(Path(folder))
        files.reserve()
        from facedex_local.metrics.recorder import Recorder

        recording.install(Recorder())
        lines.append(f"on: a count {cost(count)}, a timed step {cost(step)}")
        recording.uninstall()
        del os.environ[files.SETTING]
    return lines


def main() -> None:
    report("The seam", *seam())
    receiver = Receiver()
    ways = {
        "without metrics": {"FACEDEX_METRICS": "false"},
        "with metrics": {"FACEDEX_METRICS": "true"},
        "with metrics and traces": {
            "FACEDEX_METRICS": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        },
    }
    image = {"Bytes": portrait()}
    with ExitStack() as stack:
        clients, servers = [], []
        for environment in ways.values():
            product = stack.enter_context(serving(**environment))
            client = product.client("rekognition")
            client.create_collection(CollectionId="bench")
            client.index_faces(CollectionId="bench", Image=image)
            clients.append(client)
            servers.append(psutil.Process(product.server.process.pid))
        calls: dict[str, Callable[..., object]] = {
            "DescribeCollection": lambda client: client.describe_collection(CollectionId="bench"),
            "SearchFacesByImage": lambda client: client.search_faces_by_image(
                CollectionId="bench", Image=image
            ),
        }
        for name, call in calls.items():
            before = [seconds(server) for server in servers]
            times = side_by_side([partial(call, client) for client in clients], rounds=ROUNDS)
            used = [
                seconds(server) - earlier for server, earlier in zip(servers, before, strict=True)
            ]
            report(
                f"{name} through boto3, medians of {ROUNDS} in turns, and CPU time of the server",
                *(
                    f"{way}: {milliseconds(taken)}, {1000 * cpu / (ROUNDS + 3):.2f} ms of CPU"
                    for way, taken, cpu in zip(ways, times, used, strict=True)
                ),
            )
    receiver.close()


if __name__ == "__main__":
    main()
