"""Requests while thousands of clients are connected and send nothing, or half a request."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import numpy as np
import psutil

from tests.bench.measuring import report
from tests.bench.serving import Product, serving

IDLE = 2000  # connections that send nothing
SLOW = 200  # connections that have sent half of a request
REQUESTS = 400


@contextmanager
def connected(url: str, count: int, sent: bytes) -> Iterator[None]:
    """Keep connections open while the block runs.

    Args:
        url: address of the server.
        count: number of connections.
        sent: what each connection has sent.
    """
    address = (urlsplit(url).hostname, urlsplit(url).port)
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(address, timeout=10))
            if sent:
                connection.sendall(sent)
        yield


def times(product: Product) -> list[float]:
    """Return the times of DescribeCollection through boto3, in seconds."""
    client = product.client("rekognition")
    taken = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        client.describe_collection(CollectionId="bench")
        taken.append(time.perf_counter() - start)
    return taken


def describe(taken: list[float]) -> str:
    """Return the median and the 99th percentile in milliseconds."""
    median, high = np.percentile(taken, [50, 99])
    return f"{1000 * median:.1f} ms (99th percentile {1000 * high:.1f} ms)"


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    half = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf"
    with serving() as product:
        product.client("rekognition").create_collection(CollectionId="bench")
        process = psutil.Process(product.server.process.pid)
        times(product)
        memory, threads = process.memory_info().rss, process.num_threads()
        alone = times(product)
        with (
            connected(product.server.url, IDLE, b""),
            connected(product.server.url, SLOW, half),
        ):
            beside = times(product)
            grown = (process.memory_info().rss - memory) / 2**20
            more = process.num_threads() - threads
    report(
        f"DescribeCollection through boto3, {IDLE} idle and {SLOW} slow connections",
        f"without them {describe(alone)}",
        f"with them {describe(beside)}",
        f"the server has {grown:.0f} MiB and {more} threads more",
    )


if __name__ == "__main__":
    main()
