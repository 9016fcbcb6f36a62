"""Numbers in the output of commands have a noun that fits them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from facedex.printing import counted
from facedex.store.audit_reading import Place
from facedex.store.erasing import Erasure
from facedex.workflows.people import Grouping
from facedex_cli.auditing.verifying import Verified
from facedex_cli.commands import audit, people, scrub
from facedex_cli.push.display import describe
from facedex_cli.push.progress import Progress
from facedex_cli.watch import watching
from facedex_cli.watch.presence import Presence
from facedex_local import required_packs


def test_a_noun_fits_its_number() -> None:
    assert [counted(number, "face") for number in (0, 1, 2)] == ["0 faces", "1 face", "2 faces"]
    assert counted(1, "search", "searches") == "1 search"
    assert counted(2000, "search", "searches") == "2,000 searches"


def test_commands_that_count_one_thing_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    scrub._show(Erasure(tables=["faces"], log_files=1))
    audit._show(Verified(1, Place(1, bytes(32)), waiting=1, gaps=1))
    people._print(Grouping([], 1), 50)
    required_packs._warn(1, "a pack")
    shown = " ".join(capsys.readouterr().out.split())
    assert "rewritten: 1 table with indexes" in shown
    assert "removed: 1 file of the write-ahead log" in shown
    assert "1 row is intact; the head is 1 00" in shown
    assert "0 groups among 1 face" in shown
    assert describe(Progress(fragments=1)).startswith("0:00:00  1 fragment sent, 0 received")
    written = io.StringIO()
    presence = Presence()
    presence.frames = 1
    Console(file=written).print(watching.render("door", presence, status="RUNNING", now=0.0))
    assert "door  RUNNING  1 frame\n" in written.getvalue()
