"""Dollars a month of streams that are searched all the time."""

from __future__ import annotations

from typing import Final

from facedex.api.catalog import OTHER_FUNCTIONS
from infra.costs.tables import HOURS, MILLION, table

_SECONDS: Final = HOURS * 3600
_MINUTES: Final = HOURS * 60


def deployment(streams: int, faces: int) -> dict[str, float]:
    """Return the dollars a month of a deployment that does nothing else, by purpose.

    Args:
        streams: streams that run all month.
        faces: faces in the collection that is searched.
    """
    prices, measured = table("prices"), table("measured")
    use, store, fixed = measured["streams"], measured["store"], measured["deployment"]
    worker, sweep = OTHER_FUNCTIONS["run_stream_processor"], OTHER_FUNCTIONS["sweep"]
    gib_second = prices["lambda"]["gib_second_arm64"]
    million_calls = prices["lambda"]["million_requests"]
    handovers = streams * _SECONDS / use["handover_seconds"]
    searches = streams * _MINUTES * use["searches_a_minute"]
    in_search = store["overhead_ms"] + store["scan_ms_per_million"] * faces / MILLION
    beats = streams * _SECONDS
    busy = searches * in_search + beats * use["beat_ms"]
    gib = streams * use["megabits"] * 1e6 / 8 * _SECONDS / 2**30
    acu_hours = HOURS * fixed["minimum_acu"] + busy / 3_600_000 * store["acus_per_core"]
    ios = beats * use["ios_per_beat"] / MILLION
    return {
        "Lambda, the streams' workers": streams * _SECONDS * worker.memory / 1024 * gib_second
        + handovers / MILLION * million_calls,
        "Lambda, a sweep each minute": _MINUTES
        * (use["sweep_seconds"] * sweep.memory / 1024 * gib_second + million_calls / MILLION),
        "Aurora, capacity": acu_hours * prices["aurora"]["acu_hour"],
        "Aurora, storage and I/O": faces
        * store["bytes_per_face"]
        / 2**30
        * prices["aurora"]["gib_month"]
        + ios * prices["aurora"]["million_ios"],
        "interface endpoints": use["endpoints"]
        * fixed["endpoint_zones"]
        * HOURS
        * prices["endpoint"]["hour"]
        + gib * prices["endpoint"]["gib"],
        "alarms, metrics, dashboard": (fixed["alarms"] + use["alarms"])
        * prices["cloudwatch"]["alarm_month"]
        + use["metrics"] * prices["cloudwatch"]["metric_month"]
        + prices["cloudwatch"]["dashboard_month"],
    }


def total(streams: int, faces: int) -> float:
    """Return the dollars a month of a deployment that does nothing else."""
    return sum(deployment(streams, faces).values())


def rekognition(streams: int, faces: int) -> float:
    """Return the dollars a month of the same use at Amazon Rekognition."""
    prices = table("prices")["rekognition"]
    return float(streams * _MINUTES * prices["stream_minute"] + faces * prices["face_month"])
