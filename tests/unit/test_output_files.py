"""A file that cannot be written is reported before the work whose result it is for."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from facedex_cli.commands.outputs import require_writable
from facedex_cli.program import main

TOO_LONG = "x" * 300  # a name that no file system accepts, for root neither


@pytest.mark.parametrize(
    "command",
    [
        ["import", "{place}", "--collection=staff", "--url=http://127.0.0.1:9"],
        ["collections", "upgrade", "staff", "--from={place}", "--data-dir={data}"],
        ["collections", "list", "--data-dir={place}"],
        ["scrub", "--data-dir={place}"],
        ["stream", "push", "{place}", "--stream=door", "--url=http://127.0.0.1:9"],
        ["video", "report", "JOB", "--out={place}/page.html", "--url=http://127.0.0.1:9"],
        ["models", "list"],
        ["models", "path"],
        ["up", "--port=0", "--data-dir={data}"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_place_that_cannot_be_looked_into_is_named_in_one_sentence(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, data = tmp_path / TOO_LONG, tmp_path / "data"
    (data / "postgres").mkdir(parents=True)
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    monkeypatch.setenv("FACEDEX_MODELS", str(place))
    done = CliRunner().invoke(main, [each.format(place=place, data=data) for each in command])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {place}")
    assert done.stderr.endswith(" cannot be used (File name too long).\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        [
            "collections",
            "upgrade",
            "staff",
            "--from={people}",
            "--data-dir={data}",
            "--report={out}",
        ],
        ["models", "calibrate", "{people}", "--out={out}"],
        ["models", "evaluate", "{people}", "--plots={out}"],
        [
            "video",
            "search",
            "{film}",
            "--collection=staff",
            "--url=http://127.0.0.1:1",
            "--out={out}",
        ],
        ["demo", "--exit", "--port=0", "--data-dir={data}", "--output={out}"],
        ["video", "report", "JOB", "--url=http://127.0.0.1:1", "--out={out}"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_an_output_file_is_checked_before_the_work(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "evaluate" in command:
        pytest.importorskip("matplotlib")
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path / "models"))  # no pack, so no work either
    for person in ("ann", "bob"):
        (tmp_path / "people" / person).mkdir(parents=True)
        (tmp_path / "people" / person / "1.jpg").touch()
    (tmp_path / "film.mp4").touch()
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    places = {name: tmp_path / name for name in ("people", "data")}
    out, film = tmp_path / TOO_LONG, tmp_path / "film.mp4"
    arguments = [each.format(**places, film=film, out=out) for each in command]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "File name too long" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_a_check_leaves_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("of an earlier run")
    for name in ("old", "new"):
        require_writable(tmp_path / name, "The report")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    require_writable(tmp_path / "link", "The report")
    assert {path.name for path in tmp_path.iterdir()} == {"old", "link"}
    assert (tmp_path / "old").read_text() == "of an earlier run"
    with pytest.raises(click.ClickException, match=r"^The report .* \(Is a directory\)\.$"):
        require_writable(tmp_path, "The report")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_a_pipe_is_not_opened_before_there_is_something_to_write(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        require_writable(pipe, "The report")
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        assert poll.poll(0) == []  # if there had been a writer, its end would be reported
    finally:
        os.close(reader)
