"""Faces in stored video, through Amazon's example, the AWS CLI, plain HTTP and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.films import PATIENCE, ROLE, Studio

if TYPE_CHECKING:
    from tests.e2e.plain_http import Rest

CREDENTIALS = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def test_amazons_python_example_runs_with_only_another_endpoint(
    studio: Studio, both: bytes
) -> None:
    studio.put("guide.mp4", both)
    program = Path(__file__).with_name("sns_and_sqs.py")
    done = subprocess.run(
        [sys.executable, "-I", str(program), studio.name, "guide.mp4", studio.name, ROLE],
        env={**CREDENTIALS, "AWS_ENDPOINT_URL": studio.server.url},
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("h264 3000 ")
    assert sum(line.startswith("Person ") for line in lines) == 30
    faces = {line.split()[1] for line in lines if line.startswith("Face ")}
    listed = studio.rekognition.list_faces(CollectionId=studio.name)["Faces"]
    assert faces == {face["FaceId"] for face in listed}


def test_rest_routes_return_the_same(rest: Rest, studio: Studio, both: bytes) -> None:
    video = studio.put("rest.mp4", both)
    job_id = rest.good("StartFaceSearch", Video=video, CollectionId=studio.name)["JobId"]
    whole = studio.wait(job_id)
    answer = rest.good("GetFaceSearch", JobId=job_id)
    assert answer["JobStatus"] == "SUCCEEDED"
    assert len(answer["Persons"]) == len(whole["Persons"])


def test_the_aws_cli_gets_the_results(studio: Studio, found: str) -> None:
    command = [str(Path(sys.executable).with_name("aws")), "rekognition", "get-face-search"]
    done = subprocess.run(
        [*command, "--job-id", found, "--endpoint-url", studio.server.url],
        env=CREDENTIALS,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["JobStatus"] == "SUCCEEDED"


def test_the_command_searches_a_file_and_writes_a_page(
    studio: Studio, both: bytes, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    # Markup of HTML and of the terminal, a terminal command, and a byte that is not UTF-8.
    path, page = tmp_path / os.fsdecode(b"my <film> [red]\x1b\xff.mp4"), tmp_path / "report.html"
    path.write_bytes(both)
    command = [str(Path(sys.executable).with_name("facedex")), "video"]
    arguments = ["search", str(path), "--collection", studio.name, "--out", str(page)]
    done = subprocess.run(
        [*command, *arguments, "--url", studio.server.url],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in portraits:
        assert name in done.stdout
    html = page.read_text("utf-8")
    assert html.count("data:image/jpeg;base64,") == 2
    assert "my &lt;film&gt; [red]\\x1b\\xdcff.mp4" in html
    assert "People in my <film> [red]\\x1b\\xdcff.mp4" in done.stdout
    assert "http" not in html.replace("http://www.w3.org", "")
    job_id = done.stdout.split("job ")[1].split()[0]
    again = ["report", job_id, "--out", str(page), "--url", studio.server.url]
    subprocess.run([*command, *again], check=True, capture_output=True)
    assert "data:image" not in page.read_text("utf-8")
    lines = subprocess.run(
        [*command, *arguments[:-2], "--json", "--url", studio.server.url],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    people = [json.loads(line) for line in lines]
    assert {each["Matches"][0]["Name"] for each in people} == set(portraits)
    assert all(each["Stays"][0]["StartMillis"] < 1000 for each in people)
    kept = studio.s3.list_objects_v2(Bucket="facedex-video-search")
    assert kept["KeyCount"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--collection", "unknown"], "There is no collection unknown; fill one with"),
        (["--collection", "x", "--url", "http://127.0.0.1:9"], "No server answers at http://127"),
        (
            ["--collection", "x", "--out", "not-there/page.html"],
            "The folder not-there for the page does not exist",
        ),
    ],
)
def test_errors_are_reported_before_the_film_is_uploaded(
    studio: Studio, tmp_path: Path, arguments: list[str], said: str
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"not looked at")
    command = [str(Path(sys.executable).with_name("facedex")), "video", "search", str(path)]
    done = subprocess.run(
        [*command, "--url", studio.server.url, *arguments],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {said}")
    assert "Traceback" not in done.stderr
