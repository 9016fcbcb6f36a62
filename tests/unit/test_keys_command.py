"""The parts of `facedex keys` and `facedex up --auth` that need no database."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex.secret_sources import read_keys_secret
from facedex_cli.program import main
from facedex_local import directory, secret
from facedex_local.environment import configure
from facedex_local.start_errors import DirectoryUnusable


def test_the_secret_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    source = secret.source(tmp_path / "data", {})
    assert source == f"file:{tmp_path}/data/keys.secret"
    assert (tmp_path / "data" / "keys.secret").stat().st_mode & 0o777 == 0o600
    first = read_keys_secret(source)
    assert read_keys_secret(secret.source(tmp_path / "data", {})) == first
    assert read_keys_secret(secret.source(tmp_path / "other", {})) != first
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["keys.secret"]


def test_a_secret_that_the_user_chose_stays(tmp_path: Path) -> None:
    assert secret.source(tmp_path, {"FACEDEX_KEYS_SECRET": "file:/mine"}) == "file:/mine"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_hold_the_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnusable, match="set FACEDEX_KEYS_SECRET instead"):
        secret.source(tmp_path / "file", {})


def test_a_running_server_with_an_external_database_needs_its_url(tmp_path: Path) -> None:
    with directory.hold(tmp_path):
        refused = CliRunner().invoke(main, ["keys", "list", f"--data-dir={tmp_path}"])
    assert refused.exit_code == 1
    assert refused.output == (
        "Error: facedex is running on this data directory, but its embedded database does not"
        " answer: either it is still starting, or it uses --database-url, which this command then"
        " needs too.\n"
    )


def test_keys_are_required_only_with_the_option() -> None:
    def settled(**chosen: str) -> dict[str, str]:
        environment = {"FACEDEX_AUTH": "keys"}
        configure(
            models=Path("/models"),
            pack="dlib",
            own_url="http://127.0.0.1:9000",
            s3_url="http://127.0.0.1:40000",
            environment=environment,
            **chosen,
        )
        return environment

    assert settled()["FACEDEX_AUTH"] == "none"
    guarded = settled(auth="keys", keys_secret="file:/data/keys.secret")
    assert guarded["FACEDEX_AUTH"] == "keys"
    assert guarded["FACEDEX_KEYS_SECRET"] == "file:/data/keys.secret"
