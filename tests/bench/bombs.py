"""Memory and times of a server that receives images and requests made to exhaust it.

Prints, for each kind, the answers and the slowest request, and the memory of all processes of the
server before, at the highest, and a minute after.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from tests.bench.measuring import portrait, report
from tests.bench.serving import Product, serving

CLIENTS: Final = 16
REQUESTS: Final = 200
SIDE: Final = 8000
QUIET: Final = 60  # seconds after the last request


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a picture in a format."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _png(width: int, height: int, depth: int, colour: int, *, interlaced: bool = False) -> bytes:
    """Return a PNG of zeros, packed a thousandfold."""
    bits = {0: 1, 2: 3, 4: 2, 6: 4}[colour] * depth
    pack = zlib.compressobj(9)
    size = height * (1 + (width * bits + 7) // 8)
    size += size // 8 if interlaced else 0  # the passes have more rows
    parts = [pack.compress(bytes(1 << 20)) for _ in range(size // (1 << 20) + 1)]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    pixels = b"".join((*parts, pack.flush()))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", pixels),
            _chunk(b"IEND", b""),
        )
    )


def _text_bombs() -> bytes:
    photo = encode(Image.new("RGB", (640, 480), "grey"), "PNG")
    bomb = b"name\0\0" + zlib.compress(bytes(256 << 20), 9)
    return photo[:33] + _chunk(b"zTXt", bomb) * 12 + photo[33:]


def _many_scans() -> bytes:
    whole = encode(_gradient(5000), "JPEG", progressive=True).removesuffix(b"\xff\xd9")
    return whole + whole[whole.rindex(b"\xff\xda") :] * 6 + b"\xff\xd9"


def _gradient(side: int) -> Image.Image:
    return Image.radial_gradient("L").resize((side, side)).convert("RGB")


def _detailed(side: int) -> Image.Image:
    """Return a picture of which a JPEG has nearly five megabytes."""
    noise = np.random.default_rng(0).integers(0, 255, (side // 7, side // 7, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((side, side))


def images() -> dict[str, bytes]:
    """Return one image of each kind."""
    return {
        "portrait": portrait(),
        "JPEG of 64 megapixels": encode(_gradient(SIDE), "JPEG"),
        "detailed JPEG of 64 megapixels": encode(_detailed(SIDE), "JPEG", quality=10),
        "progressive JPEG of 64 megapixels": encode(_gradient(SIDE), "JPEG", progressive=True),
        "progressive JPEG of 25 megapixels, 16 scans": _many_scans(),
        "PNG of 64 megapixels": _png(SIDE, SIDE, 8, 2),
        "1-bit PNG of 64 megapixels": _png(SIDE, SIDE, 1, 0),
        "16-bit PNG of 64 megapixels": _png(SIDE, SIDE, 16, 6),
        "interlaced PNG of 64 megapixels": _png(SIDE, SIDE, 8, 2, interlaced=True),
        "PNG of 25 megapixels": _png(5000, 5000, 8, 2),
        "16-bit PNG of 9 megapixels, with transparency": _png(3000, 3000, 16, 6),
        "PNG of 1 x 64,000,000": _png(1, 64_000_000, 1, 0),
        "PNG of 64,000,000 x 1": _png(64_000_000, 1, 1, 0),
        "PNG with 3 GiB of text": _text_bombs(),
    }


def processes(root: int) -> list[int]:
    """Return a process and its descendants."""
    found = [root]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def memory(root: int) -> int:
    """Return the memory of a process and its descendants in MiB; shared pages count once."""
    total = 0
    for process in processes(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total // 1024


def processor_time(root: int) -> float:
    """Return the seconds of processor time that a process and its descendants have used."""
    ticks = 0
    for process in processes(root):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Watch:
    """The highest memory of a server while the block runs."""

    def __init__(self, root: int) -> None:
        self.highest = 0
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.highest = max(self.highest, memory(self._root))


def send(call: Callable[[], Any]) -> tuple[str, float]:
    """Return the answer's code and the seconds of a request."""
    start = time.perf_counter()
    try:
        call()
        code = "answered"
    except ClientError as error:
        code = error.response["Error"]["Code"]
    return code, time.perf_counter() - start


def attack(server: Product, requests: list[tuple[str, Callable[[Any], Any]]]) -> list[str]:
    """Send requests from all clients, and return a line for each kind."""
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=300)
    local = threading.local()

    def one(request: tuple[str, Callable[[Any], Any]]) -> tuple[str, str, float]:
        if not hasattr(local, "client"):
            local.client = server.server.client("rekognition", config=config)
        kind, call = request
        return kind, *send(lambda: call(local.client))

    codes: dict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = defaultdict(float)
    with ThreadPoolExecutor(CLIENTS) as pool:
        for kind, code, seconds in pool.map(one, requests):
            codes[kind][code] += 1
            slowest[kind] = max(slowest[kind], seconds)
    return [
        f"{kind}: slowest {slowest[kind]:.2f} s; "
        + ", ".join(f"{count} {code}" for code, count in codes[kind].items())
        for kind in sorted(slowest, key=lambda kind: -slowest[kind])
    ]


def _detect(data: bytes) -> Callable[[Any], Any]:
    return lambda client: client.detect_faces(Image={"Bytes": data})


# As bytes: the client would need longer than the server to write it.
_BODY: Final = json.dumps({"CollectionId": "bench", "FaceIds": ["bad id"] * 900_000}).encode()


def _delete(client: Any) -> None:
    """Send the body of a DeleteFaces as the client of another program."""
    request = Request(
        client.meta.endpoint_url,
        _BODY,
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "RekognitionService.DeleteFaces",
        },
    )
    try:
        urlopen(request).close()
    except HTTPError as error:
        body = json.loads(error.read())
        raise ClientError({"Error": {"Code": body["__type"]}}, "DeleteFaces") from None


def main() -> None:
    kinds = images()
    mix = [(kind, _detect(data)) for kind, data in kinds.items()]
    requests = [mix[number % len(mix)] for number in range(REQUESTS)]
    random.Random(0).shuffle(requests)
    with serving() as server:
        client = server.client("rekognition")
        client.create_collection(CollectionId="bench")
        client.detect_faces(Image={"Bytes": portrait()})
        root = server.server.process.pid
        before, start = memory(root), processor_time(root)
        with Watch(root) as watch:
            lines = attack(server, requests)
            used, highest = processor_time(root) - start, watch.highest
            watch.highest = 0
            lines += attack(server, [("DeleteFaces with 900,000 bad ids", _delete)] * 16)
        time.sleep(QUIET)
        after = memory(root)
    report(
        f"{REQUESTS} images from {CLIENTS} clients, then 16 requests of 10 MB",
        *lines,
        f"processor time: {used / REQUESTS:.2f} s for each image",
        f"memory: {before} MiB before, at most {highest} and {watch.highest},"
        f" {after} after {QUIET} s ({after - before:+} MiB)",
    )


if __name__ == "__main__":
    main()
