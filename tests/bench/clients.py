"""Throughput of IndexFaces with one and two clients, with one inference thread per request."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from tests.bench.measuring import portrait, report
from tests.bench.serving import Product, serving

ROUNDS = 5
REQUESTS = 30


def index(server: Product, photo: bytes, names: str) -> None:
    """Do the work of one client."""
    client = server.client("rekognition")
    for number in range(REQUESTS):
        client.index_faces(
            CollectionId="bench", Image={"Bytes": photo}, ExternalImageId=f"{names}.{number}"
        )


def throughput(server: Product, photo: bytes, clients: int, name: str) -> float:
    """Return the photos per second with a number of concurrent clients."""
    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        for done in [
            pool.submit(index, server, photo, f"{name}.{client}") for client in range(clients)
        ]:
            done.result()
    return clients * REQUESTS / (time.perf_counter() - start)


def main() -> None:
    photo = portrait()
    with serving(FACEDEX_THREADS="1") as server:
        server.client("rekognition").create_collection(CollectionId="bench")
        throughput(server, photo, 2, "warm-up")
        rates = [
            (
                throughput(server, photo, 1, f"one.{turn}"),
                throughput(server, photo, 2, f"two.{turn}"),
            )
            for turn in range(ROUNDS)
        ]
    one, two = (statistics.median(rate) for rate in zip(*rates, strict=True))
    report(
        "IndexFaces of a 640x480 portrait, one inference thread",
        f"one client {one:.1f} photos/s, two clients {two:.1f} photos/s: {two / one:.2f} x",
    )


if __name__ == "__main__":
    main()
