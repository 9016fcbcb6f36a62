"""``facedex demo`` finds both portraits in every altered copy and in a photo of several people."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from PIL import Image

from facedex_cli.demo import demonstration
from tests.conftest import client_of

if TYPE_CHECKING:
    from tests.conftest import Server


def run(directory: Path, output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("facedex")),
            *("demo", "--exit", "--port=0", f"--data-dir={directory}", f"--output={output}"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def side_by_side(tmp_path: Path, portraits: dict[str, bytes]) -> Path:
    """Return one photo with both portraits."""
    eileen, grace = (
        Image.open(io.BytesIO(portraits[key])).convert("RGB").resize((512, 600))
        for key in ("eileen", "grace")
    )
    photo = Image.new("RGB", (1024, 600))
    photo.paste(eileen, (0, 0))
    photo.paste(grace, (512, 0))
    path = tmp_path / "both.jpg"
    photo.save(path, quality=80)
    return path


def test_the_demo_finds_every_person_and_can_be_repeated(
    tmp_path: Path,
    side_by_side: Path,
    pack_directory: Path,
    portraits: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert portraits
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    monkeypatch.setenv("COLUMNS", "120")
    for _repeated in range(2):
        output = tmp_path / "facedex-demo.png"
        done = run(tmp_path / "data", output, f"--image={side_by_side}", "--log")
        assert done.returncode == 0, done.stderr
        # No face of the searched photo is stored, not even temporarily.
        assert done.stderr.count(" IndexFaces 200 ") == len(portraits)
        assert "DeleteFaces" not in done.stderr
        for name in ("Eileen Collins", "Grace Hopper"):
            copies = re.findall(
                rf"{name} +│ ([^│]+?) +│ {name} +│ +([\d.]+)",
                done.stdout,
            )
            assert len(copies) == 4
            assert all(float(similarity) > 99 for _, similarity in copies)
            assert re.search(rf"your photo +│ both.jpg +│ {name} ", done.stdout)
        with Image.open(output) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 1000
        output.unlink()


def test_the_server_of_the_demo_measures_attributes_and_counts(
    tmp_path: Path,
    pack_directory: Path,
    attributes_directory: Path,
    portraits: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pack_directory.parent == attributes_directory.parent
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    command = ["demo", "--port=0", f"--data-dir={tmp_path / 'data'}"]
    with subprocess.Popen(
        [Path(sys.executable).with_name("facedex"), *command, f"--output={tmp_path / 'out.png'}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        try:
            lines = (re.match(r"ready (http://\S+)", line) for line in demo.stdout)
            url = next(found[1] for found in lines if found)
            answer = client_of(url, "rekognition").detect_faces(
                Image={"Bytes": portraits["eileen"]}, Attributes=["ALL"]
            )
            (face,) = answer["FaceDetails"]
            assert len(face["Landmarks"]) == 30
            assert face["Gender"]["Value"] == "Female"
            assert "facedex_requests_total" in requests.get(f"{url}/metrics", timeout=60).text
        finally:
            demo.send_signal(signal.SIGINT)
    assert demo.returncode == 0


def test_a_damaged_photo_is_named_with_the_reason(
    server: Server, portraits: dict[str, bytes]
) -> None:
    demonstration.begin(server.client("rekognition"))
    with pytest.raises(requests.HTTPError) as refused:
        demonstration.search_everyone(server.url, "cut.png", portraits["eileen"][:3000])
    assert str(refused.value) == (
        "cut.png: Request has invalid image format. The PNG image is damaged or truncated; send a"
        " complete file."
    )


def test_a_file_that_is_not_an_image_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a picture")
    done = run(tmp_path / "data", tmp_path / "out.png", f"--image={text}")
    assert done.returncode == 1
    assert done.stderr == (f"Error: {text} is not a readable picture (unknown format).\n")
