"""The summary of an import on the terminal."""

from __future__ import annotations

import pytest

from facedex.api.photo_results import Result
from facedex_cli.importing.display import collect, print_tally
from facedex_cli.importing.outcomes import Outcome, Tally


@pytest.mark.parametrize(("faces", "line"), [(0, "0 faces"), (1, "1 face"), (2, "2 faces")])
def test_the_summary_counts_faces_in_words_that_fit_the_number(
    capsys: pytest.CaptureFixture[str], faces: int, line: str
) -> None:
    tally = Tally()
    tally.add(Outcome("/photos/ann.jpg", Result.INDEXED, "ann", faces))
    print_tally(tally)
    assert f"{line} indexed now.\n" in capsys.readouterr().out


@pytest.mark.parametrize("earlier", [False, True])
def test_the_summary_counts_what_this_run_has_sent(
    capsys: pytest.CaptureFixture[str], earlier: bool
) -> None:
    tally = Tally()
    photo = Outcome("/photos/a.jpg", Result.INDEXED, "a", 1, smaller=True, earlier=earlier)
    tally.add(photo)
    print_tally(tally)
    assert ("sent smaller: 1" in capsys.readouterr().out) is not earlier


def test_the_summary_is_not_folded_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    reasons = {"EXCEEDS_MAX_FACES": 2, "LOW_SHARPNESS": 2, "SMALL_BOUNDING_BOX": 2}
    tally = Tally()
    tally.add(Outcome("/photos/a.jpg", Result.INDEXED, "a", 1, reasons))
    print_tally(tally)
    line = "2 EXCEEDS_MAX_FACES, 2 LOW_SHARPNESS, 2 SMALL_BOUNDING_BOX."
    assert f"Faces found and not indexed: {line}\n" in capsys.readouterr().out


@pytest.mark.parametrize("terminal", [True, False])
def test_the_number_of_listed_files_is_shown_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if terminal else "0")
    monkeypatch.setenv("TTY_INTERACTIVE", "1" if terminal else "0")
    assert collect(iter(range(2500))) == list(range(2500))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("listing the files" in printed.err) is terminal
    assert terminal or printed.err == ""
