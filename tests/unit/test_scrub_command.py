"""``facedex scrub`` on a directory without a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex_cli.commands.scrub import scrub


@pytest.mark.parametrize("there", [True, False])
def test_a_directory_without_a_database_is_not_reported_as_free_of_faces(
    tmp_path: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    directory = tmp_path / "mistyped"
    if there:
        directory.mkdir()
    done = CliRunner().invoke(scrub, ["--data-dir", str(directory)])
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: There is no database in {directory}; name the server's --data-dir.\n"
    )
    assert done.stdout == ""
    assert directory.exists() == there
    assert list(tmp_path.rglob("*")) == ([directory] if there else [])
