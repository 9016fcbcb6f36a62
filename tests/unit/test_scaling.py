"""The tables of docs/scale.md are the output of their program, and follow from the figures."""

from __future__ import annotations

import re

import pytest

from infra.scaling import model
from infra.scaling.report import BLOCKS, PAGE, filled


def test_the_tables_of_the_page_equal_the_output_of_the_program() -> None:
    page = PAGE.read_text("utf-8")
    assert filled(page) == page
    assert re.findall(r"<!-- computed: (\w+) -->", page) == list(BLOCKS)


def test_a_changed_figure_in_the_page_is_written_again() -> None:
    page = PAGE.read_text("utf-8")
    changed = page.replace("| 1,000,000,000 |", "| 2,000,000,000 |")
    assert changed != page
    assert filled(changed) == page


@pytest.mark.parametrize("where", ["memory", "sql"])
def test_the_measured_sizes_have_the_measured_times(where: str) -> None:
    measured = model.table("measured")[where]
    for faces, milliseconds in zip(measured["faces"], measured["milliseconds"], strict=True):
        assert model.search(where, faces) == pytest.approx(milliseconds)
    few, many = measured["faces"]
    middle = sum(measured["milliseconds"]) / 2
    assert model.search(where, (few + many) // 2) == pytest.approx(middle)


def test_the_smallest_machine_holds_the_copy_and_the_next_smaller_one_does_not() -> None:
    machines = model.table("prices")["machines"]
    for faces in (10**4, 10**8, 10**9):
        chosen = model.smallest(faces)
        needed = model.memory(faces) / (1 << 30) + 1
        assert needed <= 0.8 * chosen.gib
        smaller = [each for each in machines if each["gib"] < chosen.gib]
        assert all(needed > 0.8 * each["gib"] for each in smaller)
    with pytest.raises(ValueError, match="No machine has the memory"):
        model.smallest(10**12)


def test_ten_times_the_rate_needs_about_ten_times_the_machines() -> None:
    few, many = model.servers(100, 1_000_000), model.servers(1000, 1_000_000)
    assert 10 * (few - 1) <= many <= 10 * few
    assert model.servers(1000, 10_000_000) > many
    # 60 photos a second keep two cores busy, without the search.
    assert model.servers(60, 0) >= 1 / 0.7
