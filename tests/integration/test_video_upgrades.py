"""Video jobs whose collection is upgraded to another pack while they run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from facedex.aws import objects
from facedex.runtime import model_packs, services
from facedex.store import tasks
from facedex_cli.program import main
from facedex_functions.search_video_segment.handler import lambda_handler
from facedex_local.http.gateway import Context
from facedex_local.workers.event_source import batch_event
from tests.e2e.films import moving, names
from tests.integration.streaming import Configure, Stage
from tests.model_copies import shorten

NEW_MODEL = "901.1"


class Workshop:
    """A collection with the faces of two portraits, and a search of a film for them.

    The test acts as the worker, one task at a time.
    """

    def __init__(
        self, stage: Stage, portraits: dict[str, bytes], folder: Path, database_url: str
    ) -> None:
        self.models, self._database_url = folder / "models", database_url
        self._photos = folder / "photos"
        self._photos.mkdir()
        self._sqs, s3 = stage.client("sqs"), stage.client("s3")
        self._rekognition = stage.client("rekognition")
        self._name = f"films-{uuid4().hex}"
        self.queue = str(self._sqs.create_queue(QueueName=self._name)["QueueUrl"])
        for name, content in portraits.items():
            (self._photos / f"{name}.jpg").write_bytes(content)
        s3.create_bucket(Bucket=self._name)
        film = moving(portraits, "grace", codec_options={"g": "10"})
        s3.put_object(Bucket=self._name, Key="film.mp4", Body=film)

    def start(self) -> str:
        self._rekognition.delete_collection(CollectionId="staff")
        self._rekognition.create_collection(CollectionId="staff")
        for photo in self._photos.iterdir():
            self._rekognition.index_faces(
                CollectionId="staff",
                Image={"Bytes": photo.read_bytes()},
                ExternalImageId=photo.stem,
                MaxFaces=1,
            )
        film = {"S3Object": {"Bucket": self._name, "Name": "film.mp4"}}
        started = self._rekognition.start_face_search(Video=film, CollectionId="staff")
        return str(started["JobId"])

    def upgrade(self, pack: str) -> None:
        arguments = ["collections", "upgrade", "staff", f"--from={self._photos}", f"--pack={pack}"]
        options = [f"--database-url={self._database_url}", f"--data-dir={self.models.parent}/data"]
        environment = {"FACEDEX_MODELS": str(self.models), "FACEDEX_PACK": "dlib"}
        result = CliRunner(env=environment).invoke(main, [*arguments, *options])
        assert result.exit_code == 0, result.output

    def do_task(self, *, fails: bool = False) -> bool:
        """Process the next message; return False if there is none."""
        messages = self._sqs.receive_message(QueueUrl=self.queue).get("Messages", [])
        if not messages:
            return False
        answer = lambda_handler(
            batch_event(messages, self.queue), Context("search_video_segment", 300, 3008, "request")
        )
        assert bool(answer["batchItemFailures"]) is fails
        for message in messages:
            self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return True

    def result(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._rekognition.get_face_search(JobId=job_id)
        return found


@pytest.fixture
def workshop(
    service: None,
    stage: Stage,
    portraits: dict[str, bytes],
    dlib_directory: Path,
    database_url: str,
    tmp_path: Path,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Workshop]:
    made = Workshop(stage, portraits, tmp_path, database_url)
    shorten(dlib_directory, made.models, "short", 901)
    (made.models / "dlib").symlink_to(dlib_directory)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stage.url)
    configure(MODELS=made.models, PACK="dlib", VIDEO_QUEUE=made.queue, VIDEO_SEGMENT=1)
    for each in (model_packs._shelf, objects.client):
        each.cache_clear()
    yield made
    for each in (model_packs._shelf, objects.client):
        each.cache_clear()


def models_of(result: dict[str, Any]) -> set[str]:
    return {
        match["Face"]["IndexFacesModelVersion"]
        for person in result["Persons"]
        for match in person.get("FaceMatches", ())
    }


def test_job_begins_again_with_the_new_pack_of_an_upgraded_collection(workshop: Workshop) -> None:
    job_id = workshop.start()
    assert workshop.do_task()  # the plan
    assert workshop.do_task()  # a segment, with the old pack
    assert workshop.result(job_id)["StatusMessage"].startswith("1 of 3 parts")
    workshop.upgrade("short")
    assert workshop.do_task()
    assert workshop.result(job_id)["StatusMessage"].startswith("0 of 3 parts")
    while workshop.do_task():
        pass
    result = workshop.result(job_id)
    assert result["JobStatus"] == "SUCCEEDED", result
    assert list(names(result["Persons"]).values()) == [{"grace"}]
    assert models_of(result) == {NEW_MODEL}


def test_job_begins_again_if_the_old_pack_was_removed_after_the_upgrade(
    workshop: Workshop, configure: Configure
) -> None:
    job_id = workshop.start()
    workshop.upgrade("short")
    (workshop.models / "dlib").unlink()
    configure(PACK="short")
    model_packs._shelf.cache_clear()
    while workshop.do_task():
        pass
    result = workshop.result(job_id)
    assert result["JobStatus"] == "SUCCEEDED", result
    assert models_of(result) == {NEW_MODEL}


def test_job_fails_after_its_collection_was_upgraded_three_times(workshop: Workshop) -> None:
    job_id = workshop.start()
    assert workshop.do_task()  # the plan
    for pack in ("short", "dlib", "short"):
        assert workshop.result(job_id)["JobStatus"] == "IN_PROGRESS"
        workshop.upgrade(pack)
        assert workshop.do_task()
    result = workshop.result(job_id)
    assert result["JobStatus"] == "FAILED"
    assert result["StatusMessage"] == (
        "The collection staff was upgraded to another model pack 3 times while the job ran; start"
        " the job again."
    )


def test_job_fails_if_the_pack_of_its_collection_is_removed(
    workshop: Workshop, configure: Configure
) -> None:
    job_id = workshop.start()
    (workshop.models / "dlib").unlink()
    configure(PACK="short")
    model_packs._shelf.cache_clear()
    assert workshop.do_task()
    result = workshop.result(job_id)
    assert result["JobStatus"] == "FAILED"
    assert "is not installed here" in result["StatusMessage"]


def test_job_that_keeps_failing_for_a_damaged_pack_says_so(
    workshop: Workshop, dlib_directory: Path
) -> None:
    job_id = workshop.start()
    assert workshop.do_task()  # the plan
    (workshop.models / "dlib").unlink()
    shutil.copytree(dlib_directory, workshop.models / "dlib")
    with (workshop.models / "dlib" / "detector.onnx").open("ab") as file:
        file.write(b"more")
    model_packs._shelf.cache_clear()
    for attempts in (0, tasks.MAX_ATTEMPTS - tasks.ERROR_ATTEMPTS):
        assert workshop.result(job_id)["JobStatus"] == "IN_PROGRESS"
        with services.database().transaction() as connection:
            connection.execute("UPDATE video_tasks SET attempts = %s", (attempts,))
        assert workshop.do_task(fails=attempts == 0)
    result = workshop.result(job_id)
    assert result["JobStatus"] == "FAILED"
    assert result["StatusMessage"] == (
        "The file detector.onnx of the model pack dlib was altered since it was pulled; fetch it"
        " again with `facedex models pull dlib`."
    )
