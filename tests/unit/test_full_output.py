"""A command whose output cannot be written says so in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from facedex.api.photo_results import Result
from facedex_cli.commands import evaluate
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.outcomes import Outcome, Report

FULL = Path("/dev/full")  # every write to it fails as on a full disk

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_standard_output_on_a_full_disk_is_reported_in_one_sentence(option: str) -> None:
    command = [str(Path(sys.executable).with_name("facedex")), option]
    with FULL.open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: The output cannot be written completely (No space left on device).\n"
    )


@pytest.mark.parametrize("rows", [1, 1000])
def test_a_report_on_a_full_disk_stops_the_import(rows: int) -> None:
    def write() -> None:
        with Report(FULL) as report:
            for number in range(rows):
                report.add(Outcome(f"{number}.jpg", Result.INDEXED))

    with pytest.raises(ImportStopped, match="The report /dev/full cannot be written"):
        write()


def test_a_report_in_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "report.csv"
    with pytest.raises(ImportStopped, match=f"The report {path} cannot be written"):
        Report(path)


def test_an_evaluation_does_not_name_a_file_that_the_error_does_not_name() -> None:
    with (
        pytest.raises(click.ClickException, match=r"^No space left on device\.$"),
        evaluate._plain_errors(),
    ):
        FULL.write_text("1")
