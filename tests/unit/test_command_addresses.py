"""Addresses of databases and servers that cannot be used are refused in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from botocore.config import Config
from click.testing import CliRunner

from facedex_cli import endpoints
from facedex_cli.importing.photos import Bucket
from facedex_cli.program import main
from facedex_cli.push.service import Service
from facedex_cli.stream_errors import ServiceLost, StreamError
from facedex_cli.upgrading.photo_source import open_source
from facedex_local import directory
from facedex_local.postgres import connecting
from facedex_local.start_errors import DatabaseFailed


@pytest.mark.parametrize(
    "url",
    [
        "postgressql://ann:sEcret@127.0.0.1/faces",
        "postgresql://ann:sEcret%zz@127.0.0.1/faces",
        "postgresql://ann:x@sEcret@127.0.0.1/faces",
        "postgresql://ann:x@sEcret:y@127.0.0.1/faces",
        "postgresql://ann:sEcret/y@127.0.0.1/faces",
        "host=127.0.0.1 password=sEcret x",
    ],
)
def test_a_database_url_that_is_misread_is_refused_without_its_password(url: str) -> None:
    refused = CliRunner().invoke(main, ["keys", "list", f"--database-url={url}"])
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: The value of --database-url is not the URL of a Post")
    assert "sEcret" not in refused.output
    with pytest.raises(DatabaseFailed) as failed:  # as `facedex up` connects
        connecting.check(url)
    assert "sEcret" not in str(failed.value)


def test_a_database_may_have_its_socket_in_a_folder_with_any_name() -> None:
    with pytest.raises(DatabaseFailed, match=r"^Cannot connect to the database of "):
        connecting.check("postgresql://ann@/faces?host=%2Fnowhere%2Fa%40b")


def test_a_database_that_does_not_answer_is_reported_in_one_line() -> None:
    url = "postgresql://ann:sEcret@127.0.0.1:1/faces"
    command = [str(Path(sys.executable).with_name("facedex")), "keys", "list"]
    done = subprocess.run(
        [*command, f"--database-url={url}"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot connect to the database of --database-url: ")
    assert "Connection refused" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "sEcret" not in done.stderr


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (["import", "{folder}", "--collection={name}"], "The collection {name!r} cannot be used: "),
        (["video", "search", "{folder}/film.mp4", "--bucket=films", "--collection={name}"], ""),
        (["stream", "watch", "{name}"], ""),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_advice_fits_what_keeps_a_request_from_being_sent(
    tmp_path: Path, command: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film.mp4").touch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(name: str, url: str) -> str:
        arguments = [each.format(folder=tmp_path, name=name) for each in command]
        data_dir = f"--data-dir={tmp_path / 'data'}"
        done = CliRunner().invoke(main, [*arguments, f"--url={url}", data_dir])
        assert done.exit_code == 1
        return done.stderr

    length = "Parameter validation failed: Invalid length for parameter "
    assert run("", "http://127.0.0.1:9").startswith(f"Error: {place.format(name='')}{length}")
    assert "facedex up" not in run("", "http://127.0.0.1:9")
    elsewhere = run("staff", "http://192.0.2.1:9")
    assert "There are no complete AWS credentials; set AWS_PROFILE, or " in elsewhere
    assert "facedex up" not in elsewhere


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1", "127.0.0.1"])
@pytest.mark.parametrize(
    "command",
    [
        ["import", "{folder}", "--collection=staff"],
        ["stream", "watch", "door"],
        ["stream", "push", "{folder}/film.mp4", "--stream=door"],
        ["video", "report", "JOB", "--out={folder}/page.html"],
        ["collections", "upgrade", "staff", "--from=s3://photos"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_an_address_that_is_none_is_reported_as_a_setting(
    tmp_path: Path, command: list[str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postgres").mkdir()
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    arguments = [each.format(folder=tmp_path) for each in command]
    done = CliRunner().invoke(main, [*arguments, f"--data-dir={tmp_path}"])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: The AWS settings are not valid: ")
    assert done.stderr.count("\n") == 1


def test_a_server_on_an_address_of_the_network_is_found_like_one_on_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    url = "http://192.0.2.7:9000"  # as of `facedex up --host 192.0.2.7`
    directory.announce(tmp_path, url=url, region="us-east-1")
    for chosen in (None, url, f"{url}/"):
        found = endpoints.find("rekognition", chosen, tmp_path)
        assert found.client("s3", Config()).meta.endpoint_url.rstrip("/") == url
        credentials = found.session.get_credentials()
        assert credentials is not None
        assert credentials.access_key == "testing"
    elsewhere = endpoints.find("rekognition", "http://192.0.2.8:9000", tmp_path)
    assert elsewhere.session.get_credentials() is None
    assert "amazonaws" in elsewhere.client("s3", Config()).meta.endpoint_url


def test_a_stream_without_a_name_is_not_tried_again(tmp_path: Path) -> None:
    service = Service("", retention=1, url="http://127.0.0.1:9", data_dir=tmp_path)
    with pytest.raises(StreamError, match="Invalid length for parameter StreamName") as failed:
        service.connect()
    assert not isinstance(failed.value, ServiceLost)


@pytest.mark.parametrize(
    ("settings", "runs", "place"),
    [
        ({}, True, "http://127.0.0.1:9001"),
        (
            {"AWS_ACCESS_KEY_ID": "FDXANN", "AWS_SECRET_ACCESS_KEY": "x"},
            True,
            "http://127.0.0.1:9001",
        ),
        ({"AWS_ACCESS_KEY_ID": "AKIAANN", "AWS_SECRET_ACCESS_KEY": "x"}, True, "amazonaws"),
        ({"AWS_PROFILE": "ann"}, True, "amazonaws"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9002"}, True, "http://127.0.0.1:9002"),
        ({}, False, "amazonaws"),
    ],
    ids=["none", "own key", "key", "profile", "endpoint", "no server"],
)
def test_an_upgrade_reads_the_s3_of_the_settings_or_else_of_the_running_server(
    tmp_path: Path,
    settings: dict[str, str],
    runs: bool,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    credentials = tmp_path / "credentials"
    credentials.write_text("[ann]\naws_access_key_id = AKIAANN\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if runs:
        directory.announce(tmp_path, url="http://127.0.0.1:9001", region="us-east-1")
    source, name = open_source("s3://photos/old", tmp_path)
    owner = "Amazon's S3" if place == "amazonaws" else place
    assert (type(source), name) == (Bucket, f"s3://photos/old ({owner})")
