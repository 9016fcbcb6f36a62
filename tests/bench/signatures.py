"""Verification of a request's signature, which `--auth keys` adds to every request."""

from __future__ import annotations

import json
import statistics
from base64 import b64encode
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from facedex.access.signatures import verify
from facedex.store.access_keys import AccessKey, Credentials, Permission
from tests.bench.measuring import portrait, report, side_by_side

HOST = "127.0.0.1:9000"
KEY = Credentials(
    AccessKey("FDXABCDEFGHIJKLMNOPQ", "", Permission.ALL, datetime.now(UTC), None), "s" * 40
)


def signed(operation: str, body: bytes) -> dict[str, Any]:
    """Return API Gateway's event of an AWS JSON request, as sent by boto3."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"RekognitionService.{operation}",
    }
    request = AWSRequest("POST", f"http://{HOST}/", headers=headers, data=body)
    credentials = ReadOnlyCredentials(KEY.key.access_key_id, KEY.secret, None)
    SigV4Auth(credentials, "rekognition", "us-east-1").add_auth(request)
    sent = {"Host": HOST, "User-Agent": "Boto3", **dict(request.headers.items())}
    return {
        "resource": "/",
        "path": "/",
        "httpMethod": "POST",
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "multiValueQueryStringParameters": None,
        "requestContext": {"path": "/"},
    }


def main() -> None:
    image = b64encode(portrait()).decode()
    bodies = {
        "ListCollections": b"{}",
        "DetectFaces": json.dumps({"Image": {"Bytes": image}}).encode(),
        "IndexFaces": json.dumps({"Image": {"Bytes": "A" * 7_000_000}}).encode(),
    }
    programs = [
        partial(verify, signed(operation, body), body, lambda _: KEY)
        for operation, body in bodies.items()
    ]
    times = side_by_side(programs, rounds=400, warm_up=20)
    report(
        "Verifying a signature",
        *(
            f"{operation}, {len(body):,} bytes: {1e6 * statistics.median(taken):.0f} µs"
            for (operation, body), taken in zip(bodies.items(), times, strict=True)
        ),
    )


if __name__ == "__main__":
    main()
