"""docs/cost.md, computed."""

from __future__ import annotations

from typing import Final

from infra.costs import copies, options, streams
from infra.costs.model import Use, at_a_tenth, break_even, deployment, rekognition, total
from infra.costs.tables import table
from infra.fields import StackFields
from infra.rows import room_for_copies

_VOLUMES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
_OPERATIONS: Final = {"index_faces": "IndexFaces", "search_faces_by_image": "SearchFacesByImage"}
_FACES: Final = 100_000


def report() -> str:
    """Return the page as Markdown."""
    prices, measured = table("prices"), table("measured")
    busy = Use("search_faces_by_image", 1_000_000, _FACES)
    parts = "\n".join(f"| {name} | {dollars:.2f} |" for name, dollars in deployment(busy).items())
    return f"""# What it costs

`python -m infra.costs` computes this page from AWS's public prices in {prices["region"]} ({prices["as_of"]},
`infra/costs/prices.toml`, without free tiers and discounts) and from measured durations and memory
(`infra/costs/measured.toml`). All prices are in dollars a month. The collection has {_FACES:,} faces unless a
table says otherwise.

## Compared with Rekognition

| operation | images a month | Facedex | Rekognition | Facedex / Rekognition |
| --- | ---: | ---: | ---: | ---: |
{_comparison()}

| operation | faces | break-even, images a month |
| --- | ---: | ---: |
{_break_evens()}

Below the break-even Rekognition is cheaper, because a deployment has fixed costs, mostly for the database's
smallest capacity. The tables assume 0.5 ACU. With `min_capacity` 0, the stack's default, the database pauses
while there are no calls, and the first call after a pause waits some fifteen seconds.

## The goal: a tenth of Rekognition's price

The goal is a tenth of Rekognition's price at 1,000,000 images a month, everything included, and a break-even below
100,000:

| faces searched | duration of a function, compared with the measurement | Facedex / Rekognition at 1,000,000 | at most a tenth, images a month | break-even |
| ---: | ---: | ---: | ---: | ---: |
{_goals()}

{_exceptions_to_the_goal()}

## For 1,000 images, and for a million faces

| | Facedex, each image without fixed costs | Facedex, everything, at 1,000,000 a month | Rekognition |
| --- | ---: | ---: | ---: |
{_thousands()}
| a million faces stored, a month | {_stored():.2f} | | {_rekognition_stored():.2f} |

## What a month consists of

1,000,000 SearchFacesByImage over {_FACES:,} faces:

| | dollars |
| --- | ---: |
{parts}
| **total** | **{total(busy):.2f}** |

## What each setting costs

For {_MONTH:,} requests a month; the [settings](deploy.md#settings) of the stack.

| setting | dollars a month |
| --- | --- |
{_options()}

## Searches in a copy of the gallery

A function keeps a copy of a large collection in its memory (`gallery_memory`), so that the database reads a few
vectors instead of all. {_MONTH:,} SearchFacesByImage a month, everything included:

| faces | `gallery_memory` | memory of a function, MiB | a search in SQL | in a copy | a month in SQL | in copies |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{_copies()}

{_copies_explained()}

## A stream that is searched all month

A deployment with `streams` that does nothing else, {_FACES:,} faces in the collection:

| streams | Facedex | Rekognition | Facedex / Rekognition |
| ---: | ---: | ---: | ---: |
{_streams()}

| one stream | dollars |
| --- | ---: |
{_parts_of_a_stream()}
| **total** | **{streams.total(1, _FACES):.2f}** |
| each additional stream | {streams.total(2, _FACES) - streams.total(1, _FACES):.2f} |

Rekognition's price is the published price of face search in live streams, {prices["rekognition"]["stream_minute"]:.2f} dollars a minute, until Amazon closed it to
new customers on 30 April 2026. The streams themselves (Kinesis Video Streams, Kinesis) cost the same on both sides and are
not counted. AWS charges for a worker by the second, also while no video arrives: stop stream processors that you do not need.

## Assumptions

- A warm IndexFaces or SearchFacesByImage of 640 x 480 pixels takes {measured["index_faces"]["milliseconds"]} ms besides the search: the slower of two
  machines ({measured["machine"]["measured_on"]}; `python -m tests.bench.durations`).
- A function takes {measured["machine"]["lambda_factor"]:.0f} times as long on Lambda as measured here; it has not been measured there yet. The table of the
  goal shows other factors too. Cold starts (0.6 s and as much again for Lambda's own part) are one in hundreds of calls
  and not counted.
- A function that processes images has {measured["index_faces"]["memory_mib"]} MiB, for which Lambda provides one core; `tests/packages` measures that it uses less.
- The calls are spread over the month, so that the database stays near its smallest capacity
  ({measured["deployment"]["minimum_acu"]} ACU). The load of searches is added by their measured time, {measured["store"]["acus_per_core"]:.0f} ACUs per core. Bursts scale
  the database up for longer than they last.
- Every request is traced. Images arrive as bytes or from S3 in the same region. S3's own price is not
  counted on either side. Outgoing data is a few kilobytes a response and not counted. There is no WAF and no RDS
  Proxy.
- A stream has {measured["streams"]["megabits"]:.0f} megabits a second, which the endpoint's price includes, and {measured["streams"]["searches_a_minute"]:.0f} searches a minute. Whether one core of Lambda keeps up
  with 5 frames a second has not been measured there; `python -m tests.bench.streaming` measures it here.
- A function lives {measured["copies"]["container_hours"]:g} hour and {measured["copies"]["containers"]} are warm, and each answers its first
  {measured["copies"]["searches_before"]} searches of a collection in SQL before its copy is complete (`python -m tests.bench.intermittent`).
  The searches of streams are counted as if SQL answered them all.
"""


def _options() -> str:
    return "\n".join(
        f"| {', '.join(f'`{name}`' for name in names)} | {dollars} |"
        for names, dollars in options.rows(_MONTH)
    )


_CAMERAS: Final = (1, 4, 10)


def _streams() -> str:
    rows = []
    for count in _CAMERAS:
        mine, theirs = streams.total(count, _FACES), streams.rekognition(count, _FACES)
        rows.append(f"| {count} | {mine:,.0f} | {theirs:,.0f} | {mine / theirs:.3f} |")
    return "\n".join(rows)


def _parts_of_a_stream() -> str:
    parts = streams.deployment(1, _FACES).items()
    return "\n".join(f"| {name} | {dollars:.2f} |" for name, dollars in parts)


_FACTORS: Final = (1.0, 2.0, 4.0, 8.0)
_SIZES: Final = (_FACES, 1_000_000)
_SEARCH: Final = "search_faces_by_image"
_MONTH: Final = 1_000_000


def _share(faces: int, factor: float) -> float:
    use = Use(_SEARCH, _MONTH, faces, factor)
    return total(use) / rekognition(use)


def _goals() -> str:
    return "\n".join(
        f"| {faces:,} | {factor:g} x | {_share(faces, factor):.3f}"
        f" | {_range(at_a_tenth(_SEARCH, faces, factor))}"
        f" | {_rounded(break_even(_SEARCH, faces, factor)):,} |"
        for faces in _SIZES
        for factor in _FACTORS
    )


def _range(holds: list[int]) -> str:
    if not holds:
        return "never"
    return f"from {holds[0]:,}" + ("" if holds[-1] == _MOST else f" to {holds[-1]:,}")


_MOST: Final = 10_000_000  # images a month that are considered here


def _exceptions_to_the_goal() -> str:
    shares = {faces: [_share(faces, factor) for factor in _FACTORS] for faces in _SIZES}
    beyond = [
        f"{faces:,} faces ({min(each):.3f} to {max(each):.3f})"
        for faces, each in shares.items()
        if max(each) > 0.1
    ]
    few = at_a_tenth(_SEARCH, _FACES)[0]
    nor = f", nor at {_MONTH:,} images a month over {', '.join(beyond)}" if beyond else ""
    return (
        f"The goal is not met below {few:,} images a month over {_FACES:,} faces{nor}.\n"
        "With `proxy`, `waf`, `readers` or `provisioned`, each of which costs by the hour or the request, it may not be\n"
        "met either. Without copies (`gallery_memory` 0) it is not met over 1,000,000 faces"
        f" ({_share_in_sql(1_000_000):.3f})."
    )


def _share_in_sql(faces: int) -> float:
    use = Use(_SEARCH, _MONTH, faces, gallery_memory=0)
    return total(use) / rekognition(use)


def _comparison() -> str:
    rows = []
    for operation, name in _OPERATIONS.items():
        for images in _VOLUMES:
            use = Use(operation, images, _FACES)
            mine, theirs = total(use), rekognition(use)
            rows.append(
                f"| {name} | {images:,} | {mine:,.0f} | {theirs:,.0f} | {mine / theirs:.2f} |"
            )
    return "\n".join(rows)


def _break_evens() -> str:
    return "\n".join(
        f"| {name} | {faces:,} | {_rounded(break_even(operation, faces)):,} |"
        for operation, name in _OPERATIONS.items()
        for faces in (10_000, _FACES, 1_000_000)
    )


def _rounded(images: int) -> int:
    return round(images, -3)


def _thousands() -> str:
    rows = []
    for operation, name in _OPERATIONS.items():
        use, none = Use(operation, 1_000_000, _FACES), Use(operation, 0, _FACES)
        each = (total(use) - total(none)) / 1000
        theirs = rekognition(use) - rekognition(none)
        rows.append(f"| {name} | {each:.3f} | {total(use) / 1000:.3f} | {theirs / 1000:.2f} |")
    return "\n".join(rows)


def _stored() -> float:
    return total(Use("index_faces", 0, 1_000_000)) - total(Use("index_faces", 0, 0))


def _rekognition_stored() -> float:
    return rekognition(Use("index_faces", 0, 1_000_000))


_GALLERIES: Final = (10_000, _FACES, 1_000_000, 10_000_000)


def _copies() -> str:
    rows = []
    default, store = StackFields().gallery_memory, table("measured")["store"]
    slower = table("measured")["machine"]["lambda_factor"]
    for faces in _GALLERIES:
        memory = max(default, copies.needed(faces))
        use = Use(_SEARCH, _MONTH, faces, gallery_memory=memory)
        none = Use(_SEARCH, _MONTH, faces, gallery_memory=0)
        sql = store["overhead_ms"] + store["scan_ms_per_million"] * faces / 1e6
        copied = copies.from_copy(faces, slower) if copies.fits(use) else None
        rows.append(
            f"| {faces:,} | {memory:,} | {1769 + room_for_copies(memory):,} | {sql:,.0f} ms"
            f" | {f'{copied:,.0f} ms' if copied else 'too small for one'}"
            f" | {total(none):,.0f} | {total(use):,.0f} |"
        )
    return "\n".join(rows)


def _copies_explained() -> str:
    use = Use(_SEARCH, _MONTH, 1_000_000)
    few = next(
        images
        for images in range(_STEP, _MONTH, _STEP)
        if total(Use(_SEARCH, images, 1_000_000))
        < total(Use(_SEARCH, images, 1_000_000, gallery_memory=0))
    )
    return (
        f"With the default, galleries of {table('measured')['copies']['smallest']:,} to"
        f" {copies.largest(use.gallery_memory):,} faces have copies. Over 1,000,000 faces they save\n"
        f"money from about {few:,} searches a month on; below, a function ends before its copy has"
        " been used enough."
    )


_STEP: Final = 5_000
