"""Throughput of a server with one and with two processes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from tests.bench.measuring import portrait, report
from tests.bench.serving import Product, serving

CLIENTS = 4
ROUNDS = 5


def throughput(product: Product, requests: int, act: Callable[[Any], object]) -> float:
    """Return the requests per second of several clients."""

    def work(_: int) -> None:
        client = product.client("rekognition")
        for _ in range(requests):
            act(client)

    with ThreadPoolExecutor(CLIENTS) as pool:
        start = time.perf_counter()
        list(pool.map(work, range(CLIENTS)))
        return CLIENTS * requests / (time.perf_counter() - start)


def main() -> None:
    photo = portrait()
    works: dict[str, tuple[int, Callable[[Any], object]]] = {
        "DescribeCollection": (100, lambda c: c.describe_collection(CollectionId="bench")),
        "SearchFacesByImage": (
            10,
            lambda c: c.search_faces_by_image(CollectionId="bench", Image={"Bytes": photo}),
        ),
    }
    lines = []
    with ExitStack() as stack:
        products = [
            stack.enter_context(serving(FACEDEX_THREADS="1", FACEDEX_PROCESSES=number))
            for number in ("1", "2")
        ]
        for product in products:
            client = product.client("rekognition")
            client.create_collection(CollectionId="bench")
            client.index_faces(CollectionId="bench", Image={"Bytes": photo})
        for name, (requests, act) in works.items():
            rates = [
                [throughput(product, requests, act) for product in products]
                for _ in range(-1, ROUNDS)
            ][1:]
            one, two = (statistics.median(rate) for rate in zip(*rates, strict=True))
            lines.append(
                f"{name}: one process {one:.0f} requests/s, two {two:.0f} requests/s:"
                f" {two / one:.2f} x"
            )
    report(f"{CLIENTS} boto3 clients on the same machine, one inference thread", *lines)


if __name__ == "__main__":
    main()
