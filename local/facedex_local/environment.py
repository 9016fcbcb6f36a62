"""The environment variables through which functions learn what they stand on."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from facedex.settings import DEFAULT_REGION

REGION: Final = DEFAULT_REGION
# Any credentials do here; these are what moto's own documentation uses.
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def describe_client(url: str, *, credentials: bool) -> dict[str, str]:
    """What a user exports so that every AWS SDK and the AWS CLI find us.

    Args:
        credentials: whether any do, so that some are named.
    """
    named = CREDENTIALS if credentials else {}
    return {"AWS_ENDPOINT_URL": url, **named, "AWS_DEFAULT_REGION": REGION}


def configure(
    *,
    models: Path,
    pack: str,
    own_url: str,
    s3_url: str,
    auth: str = "none",
    keys_secret: str = "",
    environment: MutableMapping[str, str] = os.environ,
) -> None:
    """Set what functions read, leaving alone what the user has chosen.

    The database's address is set by whoever starts it, as it is known only then.

    Args:
        models: directory of the pulled packs.
        pack: the pack for new collections.
        own_url: where users reach us.
        s3_url: where functions reach S3, SQS, SNS and Kinesis, unless the user has named others.
        auth: who may call.
        keys_secret: where the secret of the access keys is, if they are asked for.
    """
    environment["FACEDEX_MODELS"] = str(models)
    environment["FACEDEX_PACK"] = pack
    environment["FACEDEX_AUTH"] = auth
    if keys_secret:
        environment["FACEDEX_KEYS_SECRET"] = keys_secret
    # A shell that exported our own address for its clients has not chosen another S3.
    chosen = _place(environment.get("AWS_ENDPOINT_URL") or own_url) != _place(own_url)
    for service in ("S3", "SQS", "SNS", "KINESIS", "KINESIS_VIDEO"):
        if not chosen and f"AWS_ENDPOINT_URL_{service}" not in environment:
            environment[f"AWS_ENDPOINT_URL_{service}"] = s3_url
    if "AWS_PROFILE" not in environment and "AWS_ACCESS_KEY_ID" not in environment:
        environment.update(CREDENTIALS)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or REGION
    environment.setdefault("AWS_REGION", region)
    environment.setdefault("AWS_DEFAULT_REGION", region)
    # The terminal is that of whoever put the objects there.
    environment.setdefault("FACEDEX_LOG_NAMES", "true")
    # CloudWatch reads these lines; on a terminal they would drown everything else.
    environment.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    environment.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    environment.setdefault("POWERTOOLS_TRACE_DISABLED", "true")


def _place(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return host, parts.port
