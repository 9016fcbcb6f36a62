"""The stand-ins behind the guard, with keys but without a database."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from facedex.store.access_keys import AccessKey, Credentials, Permission
from facedex_local.access.guard import Find, Guard
from facedex_local.aws.kinesis_video.endpoint import KinesisVideo
from facedex_local.aws.kinesis_video.streams import Streams
from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener

REGION = "eu-central-1"
# moto keeps its buckets in the process, which other tests share.
BUCKET = "guarded-photos"
QUEUE = "jobs"


def key(name: str, permission: Permission) -> Credentials:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return Credentials(AccessKey(f"FDX{name:A<17}", "", permission, made, None), f"{name} secret")


FULL = key("FULL", Permission.ALL)
READER = key("READER", Permission.READ_ONLY)
WRONG = Credentials(FULL.key, "not the secret")
STRANGER = key("STRANGER", Permission.ALL)
_KEYS = {each.key.access_key_id: each for each in (FULL, READER)}


@contextmanager
def running(find: Find = _KEYS.get, *, recheck: float = 2.0) -> Iterator[str]:
    """Serve the stand-ins behind the guard, and yield their URL."""
    moto = Moto()
    moto.load()
    services = KinesisVideo(moto, Streams(moto, most_bytes=1 << 20))
    application = Guard(services, find, recheck=recheck)
    listener = Listener(application, threads=4, host="127.0.0.1", grace=1)
    listener.start()
    try:
        yield listener.url
    finally:
        listener.stop()


@contextmanager
def running_with(*buckets: str) -> Iterator[str]:
    """Serve the stand-ins, with buckets of which each has an object ``kept``; yield their URL."""
    with running() as url:
        s3 = client(url, "s3", region="us-east-1")
        for bucket in buckets:
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="kept", Body=bucket.encode())
        yield url


def stored(url: str, bucket: str, key: str) -> bytes:
    found: bytes = client(url, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return found


def keys(url: str, bucket: str) -> set[str]:
    listed = client(url, "s3").list_objects_v2(Bucket=bucket)
    return {each["Key"] for each in listed.get("Contents", ())}


@cache
def _session(credentials: Credentials, region: str) -> Any:
    """Return a session, which reads the models of the services only once."""
    return boto3.Session(credentials.key.access_key_id, credentials.secret, region_name=region)


def client(url: str, service: str, credentials: Credentials = FULL, **config: Any) -> Any:
    """Return an unmodified boto3 client."""
    made = _session(credentials, config.pop("region", REGION))
    chosen = Config(retries={"total_max_attempts": 1}, **config)
    return made.client(service, endpoint_url=url, config=chosen)


def ask(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Send a plain request with the target exactly as written; return the status and the body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    target = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    connection.request(method, target, body, dict(headers or {}))
    with connection.getresponse() as answer:
        found = answer.status, answer.read().decode("utf-8", "replace")
    connection.close()
    return found
