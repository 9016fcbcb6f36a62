"""Dollars a month: usage times AWS's prices."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

HOURS: Final = 730  # of a month, as AWS counts
MILLION: Final = 1_000_000
_STEP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Use:
    """A month's use.

    Attributes:
        operation: function that processes the images, a key of ``measured.toml``.
        images: number of images.
        faces: faces stored, all in the collection that is searched.
        slower: how many times as long as measured a function takes, if not as ``measured.toml``
            assumes.
    """

    operation: str
    images: int
    faces: int
    slower: float | None = None


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return the content of a TOML file of this folder."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))


def deployment(use: Use) -> dict[str, float]:
    """Return the dollars a month of a deployment, by purpose."""
    prices, measured = table("prices"), table("measured")
    function, store, fixed = measured[use.operation], measured["store"], measured["deployment"]
    millions = use.images / MILLION
    slower = measured["machine"]["lambda_factor"] if use.slower is None else use.slower
    scanned = use.faces if function["searches"] else 0
    in_store = store["overhead_ms"] + store["scan_ms_per_million"] * scanned / MILLION
    # A function also costs money while it waits for the database.
    seconds = (function["milliseconds"] * slower + in_store) / 1000
    busy = use.images * in_store
    acu_hours = HOURS * fixed["minimum_acu"] + busy / 3_600_000 * store["acus_per_core"]
    size = use.faces * store["bytes_per_face"] / 2**30
    return {
        "Lambda": use.images
        * seconds
        * function["memory_mib"]
        / 1024
        * prices["lambda"]["gib_second_arm64"]
        + millions * prices["lambda"]["million_requests"],
        "API Gateway": millions * prices["api_gateway"]["million_requests"],
        "Aurora, capacity": acu_hours * prices["aurora"]["acu_hour"],
        "Aurora, storage and I/O": size * prices["aurora"]["gib_month"]
        + millions * store["ios_per_image"] * prices["aurora"]["million_ios"],
        "interface endpoints": fixed["endpoint_zones"] * HOURS * prices["endpoint"]["hour"],
        "logs, traces, alarms": use.images
        * fixed["log_bytes"]
        / 2**30
        * prices["cloudwatch"]["log_gib"]
        + millions * prices["xray"]["million_traces"]
        + fixed["alarms"] * prices["cloudwatch"]["alarm_month"]
        + prices["cloudwatch"]["dashboard_month"],
    }


def rekognition(use: Use) -> float:
    """Return the dollars a month of the same use at Amazon Rekognition."""
    prices = table("prices")["rekognition"]
    dollars, below = use.faces * prices["face_month"], 0.0
    for tier in prices["tiers"]:
        dollars += max(0.0, min(use.images, tier["up_to"]) - below) * tier["image"]
        below = tier["up_to"]
    return float(dollars)


def total(use: Use) -> float:
    """Return the dollars a month of a deployment."""
    return sum(deployment(use).values())


def break_even(operation: str, faces: int, slower: float | None = None) -> int:
    """Return the images a month from which on a deployment costs less than Rekognition."""
    low, high = 0, 100 * MILLION
    while high - low > 1:
        middle = (low + high) // 2
        cheaper = total(Use(operation, middle, faces, slower)) < rekognition(
            Use(operation, middle, faces)
        )
        low, high = (low, middle) if cheaper else (middle, high)
    return high


def at_a_tenth(operation: str, faces: int, slower: float | None = None) -> list[int]:
    """Return the images a month, up to ten million, at a tenth of Rekognition's cost or less.

    They need not be all numbers from a certain one on: Rekognition's price for an image falls with
    their number.
    """
    return [
        images
        for images in range(_STEP, 10 * MILLION + 1, _STEP)
        if 10 * total(Use(operation, images, faces, slower))
        <= rekognition(Use(operation, images, faces))
    ]
