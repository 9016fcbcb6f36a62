"""Dollars a month: what is used, times AWS's prices."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

_HOURS: Final = 730  # of a month, as AWS counts
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """A month's use.

    Attributes:
        operation: function that looks at the images, a key of ``measured.toml``.
        images: that it looks at.
        faces: in the collection that is searched, which is also what is stored.
    """

    operation: str
    images: int
    faces: int


@cache
def table(name: str) -> Mapping[str, Any]:
    """A TOML file of this folder."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))


def ours(use: Use) -> dict[str, float]:
    """Dollars a month of a deployment, by what they are for."""
    prices, measured = table("prices"), table("measured")
    function, store, fixed = measured[use.operation], measured["store"], measured["deployment"]
    millions = use.images / _MILLION
    seconds = function["milliseconds"] / 1000 * measured["machine"]["lambda_factor"]
    busy = use.images * (store["overhead_ms"] + store["scan_ms_per_million"] * use.faces / _MILLION)
    acu_hours = _HOURS * fixed["minimum_acu"] + busy / 3_600_000 * store["acus_per_core"]
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
        "interface endpoints": fixed["endpoint_zones"] * _HOURS * prices["endpoint"]["hour"],
        "logs, traces, alarms": use.images
        * fixed["log_bytes"]
        / 2**30
        * prices["cloudwatch"]["log_gib"]
        + millions * prices["xray"]["million_traces"]
        + fixed["alarms"] * prices["cloudwatch"]["alarm_month"]
        + prices["cloudwatch"]["dashboard_month"],
    }


def rekognition(use: Use) -> float:
    """Dollars a month of the same at Amazon Rekognition."""
    prices = table("prices")["rekognition"]
    dollars, below = use.faces * prices["face_month"], 0.0
    for tier in prices["tiers"]:
        dollars += max(0.0, min(use.images, tier["up_to"]) - below) * tier["image"]
        below = tier["up_to"]
    return float(dollars)


def total(use: Use) -> float:
    """Dollars a month of a deployment."""
    return sum(ours(use).values())


def break_even(operation: str, faces: int) -> int:
    """Images a month from which on a deployment costs less than Rekognition."""
    low, high = 0, 100 * _MILLION
    while high - low > 1:
        middle = (low + high) // 2
        use = Use(operation, middle, faces)
        low, high = (low, middle) if total(use) < rekognition(use) else (middle, high)
    return high
