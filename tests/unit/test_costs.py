"""docs/cost.md is the output of its program, and the program's results follow from the prices."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from facedex.api.catalog import OTHER_FUNCTIONS
from infra.costs import copies, options, streams
from infra.costs.model import Use, at_a_tenth, break_even, deployment, rekognition, total
from infra.costs.report import report
from infra.costs.tables import table

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"


def test_the_page_equals_the_output_of_the_program() -> None:
    assert PAGE.read_text("utf-8") == report()


@pytest.mark.parametrize(
    ("images", "dollars"),
    [(0, 0), (1_000_000, 1_000), (2_000_000, 1_800), (5_000_000, 4_200), (36_000_000, 22_600)],
)
def test_rekognitions_tiers_are_counted_each_at_its_price(images: int, dollars: float) -> None:
    assert rekognition(Use("index_faces", images, 0)) == pytest.approx(dollars)


def test_an_idle_deployment_costs_its_fixed_price() -> None:
    prices, fixed = table("prices"), table("measured")["deployment"]
    parts = deployment(Use("index_faces", 0, 0))
    assert parts["Aurora, capacity"] == 730 * fixed["minimum_acu"] * prices["aurora"]["acu_hour"]
    assert parts["Lambda"] == parts["API Gateway"] == 0


@pytest.mark.parametrize("operation", ["index_faces", "search_faces_by_image"])
def test_the_break_even_is_where_the_sides_change(operation: str) -> None:
    images = break_even(operation, 100_000)
    before, after = (Use(operation, count, 100_000) for count in (images - 1, images))
    assert total(before) >= rekognition(before)
    assert total(after) < rekognition(after)


def test_the_goal_is_met_where_the_page_says() -> None:
    """A tenth of Rekognition's price at a million images, and a break-even below 100,000."""
    use = Use("search_faces_by_image", 1_000_000, 100_000)
    assert 10 * total(use) <= rekognition(use)
    assert 1_000_000 in at_a_tenth(use.operation, use.faces)
    assert break_even(use.operation, use.faces) < 100_000
    assert "The goal is not met below" in report()


def test_copies_save_money_where_a_function_lives_long_enough_to_use_them() -> None:
    def saved(images: int, faces: int, memory: int = 512) -> float:
        use = Use("search_faces_by_image", images, faces, gallery_memory=memory)
        return total(replace(use, gallery_memory=0)) - total(use)

    assert saved(1_000_000, 10_000) == saved(10_000, 1_000_000) == 0  # too small, too rare
    assert saved(1_000_000, 100_000) > 0
    assert saved(1_000_000, 1_000_000) > 10 * saved(1_000_000, 100_000)
    assert saved(1_000_000, 10_000_000) == 0  # does not fit
    assert saved(1_000_000, 10_000_000, copies.needed(10_000_000)) > 300
    assert saved(1_000_000, 10_000, 3000) < 0  # memory that is not used


def test_the_goal_is_met_over_a_million_faces_with_copies_only() -> None:
    use = Use("search_faces_by_image", 1_000_000, 1_000_000)
    assert 10 * total(use) <= rekognition(use) < 10 * total(replace(use, gallery_memory=0))


def test_waiting_for_a_search_is_paid_for_and_indexing_searches_nothing() -> None:
    few, many = (deployment(Use("search_faces_by_image", 1000, faces)) for faces in (0, 1_000_000))
    assert many["Lambda"] > few["Lambda"]
    assert many["Aurora, capacity"] > few["Aurora, capacity"]
    few, many = (deployment(Use("index_faces", 1000, faces)) for faces in (0, 1_000_000))
    assert many["Lambda"] == few["Lambda"]


def test_a_stream_is_paid_for_by_the_second_and_the_floor_is_shared() -> None:
    prices = table("prices")
    one, two = (streams.deployment(count, 0) for count in (1, 2))
    worker = 730 * 3600 * 1769 / 1024 * prices["lambda"]["gib_second_arm64"]
    assert one["Lambda, the streams' workers"] == pytest.approx(worker, rel=0.001)
    assert two["Lambda, the streams' workers"] == 2 * one["Lambda, the streams' workers"]
    assert two["Lambda, a sweep each minute"] == one["Lambda, a sweep each minute"]
    assert streams.total(2, 0) < 2 * streams.total(1, 0)
    assert streams.rekognition(1, 0) == pytest.approx(730 * 60 * 0.12)


def test_the_page_on_streams_contains_the_computed_prices() -> None:
    said = PAGE.with_name("streams.md").read_text("utf-8")
    one, two = (streams.total(count, 100_000) for count in (1, 2))
    assert f"about {two - one:.0f} dollars a month for a stream" in said
    assert f"and {2 * one - two:.0f} for what all share" in said
    assert f"Rekognition asked {streams.rekognition(1, 0):,.0f} for the minutes" in said


def test_the_page_on_imports_contains_the_computed_price() -> None:
    prices = table("prices")
    dollars = options.bulk(1_000_000)
    requests = prices["step_functions"]["million_requests"] + prices["s3"]["million_gets"]
    assert requests < dollars < 2 * requests
    assert (
        f"[{dollars:.2f} dollars for a million photos]" in PAGE.with_name("import.md").read_text()
    )


def test_the_firewall_costs_by_its_rules_and_by_the_request() -> None:
    prices, fixed = table("prices")["waf"], table("measured")["deployment"]
    idle = options.firewall(0)
    assert idle == prices["acl_month"] + fixed["firewall_rules"] * prices["rule_month"]
    assert options.firewall(1_000_000) > idle + prices["million_requests"]


def test_the_console_costs_by_the_visit() -> None:
    prices = table("prices")
    requests = 1000 * table("measured")["console"]["files"]
    assert options.pages(0) == 0
    assert options.pages(1000) > requests / 1e6 * prices["api_gateway"]["million_requests"]


def test_the_page_has_the_price_of_every_setting() -> None:
    deploy = PAGE.with_name("deploy.md").read_text("utf-8")
    section = deploy.partition("\n## Settings\n")[2].partition("\nNotes on some settings:")[0]
    settings = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    priced = [name for names, _ in options.rows(1_000_000) for name in names]
    assert sorted(priced) == sorted(settings)


def test_snapshots_and_warm_copies_are_paid_for_by_memory_and_time() -> None:
    prices, front_door = table("prices")["lambda"], OTHER_FUNCTIONS["front_door"].memory / 1024
    month = front_door * 730 * 3600
    assert options.provisioned() == pytest.approx(month * prices["provisioned_gib_second_arm64"])
    assert options.snapshots() > 2 * month * prices["snapstart_gib_second"]
    assert options.proxy() == pytest.approx(87.6)
