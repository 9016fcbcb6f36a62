"""Commands on a directory without a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex_cli.program import main


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "command",
    [
        ["scrub"],
        ["audit", "head"],
        ["audit", "verify"],
        ["people", "group", "staff"],
        ["collections", "list"],
        ["collections", "upgrade", "staff", "--from=."],
        ["collections", "abandon", "staff"],
        ["backup", "{empty}/backup"],
        ["keys", "list"],
        ["keys", "disable", "FDXNONE"],
        ["keys", "enable", "FDXNONE"],
        ["keys", "delete", "FDXNONE"],
        ["keys", "reencrypt"],
    ],
    ids=" ".join,
)
def test_a_mistyped_directory_is_named_and_stays_as_it_is(
    tmp_path: Path, command: list[str], there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    directory = tmp_path / "mistyped"
    if there:
        directory.mkdir()
    arguments = [each.format(empty=tmp_path) for each in command]
    done = CliRunner().invoke(main, [*arguments, f"--data-dir={directory}"])
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: There is no database in {directory}; name the server's --data-dir.\n"
    )
    assert done.stdout == ""
    assert list(tmp_path.rglob("*")) == ([directory] if there else [])
