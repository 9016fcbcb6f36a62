"""docs/import.md describes the input of a bulk execution and the columns of its report."""

from __future__ import annotations

import re
from pathlib import Path

from facedex.api.naming import Naming
from facedex_functions.index_bulk import checking
from facedex_functions.report_bulk import tally

_PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text("utf-8")


def test_the_page_lists_every_member_of_the_input_and_its_default() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", _PAGE, re.MULTILINE)
    listed = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    assert listed.keys() == {*checking._REQUIRED, *checking._DEFAULTS}
    assert [name for name in listed if listed[name] == "required"] == [*checking._REQUIRED]
    for name in ("ExternalImageId", "ToleratedFailurePercentage", "Again"):
        assert listed[name].strip("`") == str(checking._DEFAULTS[name]).lower()
    assert all(f"`{naming}`" in _PAGE for naming in Naming)


def test_the_page_lists_the_columns_of_the_report() -> None:
    listed = ", ".join(f"`{name}`" for name in tally._COLUMNS)
    assert listed in " ".join(_PAGE.split())
