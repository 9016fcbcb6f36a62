"""The function index_upload with a real Postgres, and moto's S3 and SQS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from facedex import settings
from facedex.aws import clients, objects
from facedex.runtime import model_packs, services
from facedex.store import collections, schema
from facedex_functions.index_upload import postponing
from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from tests.integration.uploads.bucket import Bucket

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=8)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.fixture
def function(
    endpoint: str, database_url: str, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Bucket]]:
    """Return a function that creates a bucket and sets the function's settings for it."""
    made = (
        settings.settings,
        services._database,
        model_packs._shelf,
        objects.client,
        clients.queues,
    )

    def forget() -> None:
        for each in made:
            each.cache_clear()

    def make(url: str = database_url, **more: str) -> Bucket:
        named = {"DATABASE_URL": url, "AUTH": "none", "MODELS": str(pack_directory.parent), **more}
        for name, value in named.items():
            monkeypatch.setenv(f"FACEDEX_{name}", value)
        places = {f"AWS_ENDPOINT_URL_{service}": endpoint for service in ("S3", "SQS")}
        for name, value in {**CREDENTIALS, **places}.items():
            monkeypatch.setenv(name, value)
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        name = f"uploads-{uuid4().hex}"
        s3.create_bucket(Bucket=name)
        letters = sqs.create_queue(QueueName=name)["QueueUrl"]
        monkeypatch.setenv("FACEDEX_UPLOADS_DEAD_LETTERS", letters)
        queue = sqs.create_queue(QueueName=f"{name}-queue")["QueueUrl"]
        if "DATABASE_PATIENCE" in more:
            monkeypatch.setenv("FACEDEX_UPLOADS_QUEUE", queue)
            # At once, without a wait for a database that may recover.
            monkeypatch.setattr(postponing, "_FIRST_DELAY", 0)
        forget()
        database = services.database()
        bucket = Bucket(name, s3, sqs, queue, letters, database)
        bucket.reach_database()  # in spite of a short DATABASE_PATIENCE
        schema.migrate(database)
        with database.transaction() as connection:
            collections.create(connection, "staff", model_packs.pack().model_version)
        return bucket

    yield make
    services.database().close()
    forget()


@pytest.fixture
def bucket(function: Callable[..., Bucket]) -> Bucket:
    return function()


@pytest.fixture
def mirror(function: Callable[..., Bucket]) -> Bucket:
    """Return a bucket whose objects' faces are deleted with the objects."""
    return function(UPLOADS_DELETE_FACES="true")
