"""The computed tables of docs/scale.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.costs import tables as costs
from infra.scaling import model
from infra.scaling.model import table

PAGE: Final = Path(__file__).parents[2] / "docs" / "scale.md"

_SIZES: Final = tuple(10**power for power in range(4, 10))
_RATES: Final = (1, 10, 100, 1000)
_BILLION: Final = 10**9
_GIB: Final = 1 << 30
_PATIENCE: Final = 20  # seconds
_BLOCK: Final = re.compile(r"(<!-- computed: (\w+) -->\n).*?(<!-- end of computed -->)", re.DOTALL)


def filled(page: str) -> str:
    """Return a page with its computed parts written again."""
    return _BLOCK.sub(lambda part: f"{part[1]}\n{BLOCKS[part[2]]()}\n\n{part[3]}", page)


def _machine() -> str:
    measured = table("measured")
    memory, sql = measured["memory"], measured["sql"]
    few, many = (
        f"{faces:,} faces: {fast:.1f} ms in memory, {slow:.0f} ms in SQL"
        for faces, fast, slow in zip(
            memory["faces"], memory["milliseconds"], sql["milliseconds"], strict=True
        )
    )
    return (
        f"- One search at the store, median, on {measured['measured_on']} (`python -m"
        f" tests.bench.galleries`). {few}. {many}.\n"
        f"- A face has {memory['bytes_per_face']} bytes in each copy in memory, and"
        f" {measured['server']['bytes_per_row']} bytes in Postgres with its indexes.\n"
        f"- {measured['server']['photos_per_second']:.0f} photos a second are decoded, searched for"
        f" faces and embedded by two cores (`python -m tests.bench.importing`)."
    )


def _sizes() -> str:
    rekognition = costs.table("prices")["rekognition"]["face_month"]
    lines = [
        "| faces in one collection | SearchFaces in memory | in SQL | memory of a copy"
        " | Postgres on disk | smallest machine | dollars a month"
        " | Rekognition, for storing them |",
        "| ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    lines += (
        f"| {faces:,} | {_time(model.request('memory', faces))} | {_sql(faces)}"
        f" | {_bytes(model.memory(faces))} | {_bytes(model.disk(faces))} | {_name(faces)}"
        f" | {model.month(faces):,.0f} | {faces * rekognition:,.2f} |"
        for faces in _SIZES
    )
    return "\n".join(lines)


def _billion() -> str:
    lines = [
        "| collections | faces in each | SearchFaces in memory | in SQL |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += (
        f"| {_BILLION // faces:,} | {faces:,} | {_time(model.request('memory', faces))}"
        f" | {_sql(faces)} |"
        for faces in _SIZES
    )
    return "\n".join(lines)


def _rates() -> str:
    sizes = _SIZES[1:4]
    lines = [
        "| SearchFacesByImage a second | "
        + " | ".join(f"machines, {faces:,} faces" for faces in sizes)
        + " | cores of Postgres |",
        "| ---: |" + " ---: |" * (len(sizes) + 1),
    ]
    for rate in _RATES:
        machines = " | ".join(f"{model.servers(rate, faces):,}" for faces in sizes)
        lines.append(f"| {rate:,} | {machines} | {model.database_cores(rate):.1f} |")
    return "\n".join(lines)


def _name(faces: int) -> str:
    machine = model.smallest(faces)
    return f"{machine.name}, {machine.gib} GiB"


def _sql(faces: int) -> str:
    milliseconds = model.request("sql", faces)
    # Postgres cancels longer statements (FACEDEX_STATEMENT_TIMEOUT).
    return "cancelled" if milliseconds > 1000 * _PATIENCE else _time(milliseconds)


def _time(milliseconds: float) -> str:
    seconds = milliseconds / 1000
    return f"{milliseconds:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _bytes(count: float) -> str:
    return f"{count / _GIB:,.1f} GiB" if count >= _GIB / 10 else f"{count / (1 << 20):,.0f} MiB"


BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "machine": _machine,
    "sizes": _sizes,
    "billion": _billion,
    "rates": _rates,
}
