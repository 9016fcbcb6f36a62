"""Dollars a month: usage times AWS's prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from infra.costs import copies
from infra.costs.tables import HOURS, MILLION, table
from infra.fields import StackFields
from infra.rows import room_for_copies

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
        gallery_memory: the setting of the stack.
    """

    operation: str
    images: int
    faces: int
    slower: float | None = None
    gallery_memory: int = StackFields().gallery_memory


def deployment(use: Use) -> dict[str, float]:
    """Return the dollars a month of a deployment, by purpose."""
    prices, measured = table("prices"), table("measured")
    function, store, fixed = measured[use.operation], measured["store"], measured["deployment"]
    millions = use.images / MILLION
    slower = measured["machine"]["lambda_factor"] if use.slower is None else use.slower
    memory, waiting, working, database = function["memory_mib"], store["overhead_ms"], 0.0, 0.0
    if function["searches"]:
        memory += room_for_copies(use.gallery_memory)
        found = copies.searches(use)
        waiting, working, database = found.waiting, found.working, found.database
    # A function also costs money while it waits for the database.
    seconds = ((function["milliseconds"] + working) * slower + waiting) / 1000
    busy = use.images * max(database, store["overhead_ms"])
    acu_hours = HOURS * fixed["minimum_acu"] + busy / 3_600_000 * store["acus_per_core"]
    size = use.faces * store["bytes_per_face"] / 2**30
    return {
        "Lambda": use.images * seconds * memory / 1024 * prices["lambda"]["gib_second_arm64"]
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
