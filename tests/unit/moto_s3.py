"""A client of the local S3 alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi


@contextmanager
def s3_client(region: str = "us-east-1") -> Iterator[Any]:
    """Return a client that repeats no request, while the block runs."""
    moto = Moto()
    moto.load()
    Moto().load()  # as every server in a process does
    listener = Listener(Wsgi(moto), host="127.0.0.1", port=0, threads=4)
    listener.start()
    session: Any = boto3.Session("testing", "testing", region_name=region)
    config = Config(retries={"total_max_attempts": 1})
    try:
        yield session.client("s3", endpoint_url=listener.url, config=config)
    finally:
        listener.stop()
