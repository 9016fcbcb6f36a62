"""Time from the start of a Python process to a handler's first response, as in a new Lambda.

``ready`` is Python, imports, models and the database connection; ``answer`` adds the first
request itself.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from facedex.api.catalog import OPERATIONS, Need
from facedex_models.installing import models_directory
from tests.bench.measuring import portrait, report
from tests.bench.serving import Product, serving

ROUNDS = 7

# Operations that change nothing when repeated, of each kind: records, search, pixels.
MEASURED = (
    "ListCollections",
    "DescribeCollection",
    "ListFaces",
    "SearchFaces",
    "DetectFaces",
    "IndexFaces",
    "SearchFacesByImage",
)

PROGRAM = """
import importlib, json, sys, time
begun, module, needs = float(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
event = json.load(sys.stdin)
handler = importlib.import_module(module).lambda_handler
from facedex.runtime import model_packs, services
if "pack" in needs or "models" in needs:
    pack = model_packs.pack()
if "models" in needs:
    pack.open()
if "database" in needs:
    services.database().ping()
ready = time.time() - begun
status = handler(event, None)["statusCode"]
print(json.dumps([ready, time.time() - begun, status]))
"""


def first_answer(
    function: str, needs: frozenset[Need], event: dict[str, Any], product: Product
) -> tuple[float, float]:
    """Return the seconds until ready and until the first response."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM),
            *(str(time.time()), f"facedex_functions.{function}.handler", ",".join(needs)),
        ],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "FACEDEX_AUTH": "none",
            "FACEDEX_DATABASE_URL": product.database_url,
            "FACEDEX_MODELS": str(models_directory()),
            # Compiled bytecode, as in an installed package.
            "PYTHONDONTWRITEBYTECODE": "",
        },
    )
    ready, answered, status = json.loads(done.stdout.splitlines()[-1])
    assert status == 200, done.stderr
    return ready, answered


def rest_event(name: str, face_id: str, photo: str) -> dict[str, Any]:
    """Return an API Gateway event of the operation's own route."""
    row = OPERATIONS[name]
    values = {"CollectionId": "staff", "FaceId": face_id}
    looks = Need.MODELS in row.needs
    return {
        "httpMethod": row.method,
        "resource": row.path,
        "path": row.path.format(**values),
        "pathParameters": {key: value for key, value in values.items() if f"{{{key}}}" in row.path},
        "headers": {"Content-Type": "image/jpeg"} if looks else {},
        "body": photo if looks else None,
        "isBase64Encoded": looks,
    }


def front_door_event(name: str, **members: Any) -> dict[str, Any]:
    """Return an API Gateway event of ``POST /``."""
    return {
        "httpMethod": "POST",
        "resource": "/",
        "path": "/",
        "headers": {"X-Amz-Target": f"RekognitionService.{name}"},
        "body": json.dumps(members),
    }


def main() -> None:
    photo = base64.b64encode(portrait()).decode()
    lines = []
    with serving() as product:
        client = product.client("rekognition")
        client.create_collection(CollectionId="staff")
        indexed = client.index_faces(CollectionId="staff", Image={"Bytes": base64.b64decode(photo)})
        face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
        cases = [
            (
                name,
                OPERATIONS[name].function,
                OPERATIONS[name].needs,
                rest_event(name, face_id, photo),
            )
            for name in MEASURED
        ]
        for name, members in (
            ("ListCollections", {}),
            ("IndexFaces", {"CollectionId": "staff", "Image": {"Bytes": photo}}),
        ):
            event = front_door_event(name, **members)
            cases.append((f"front door, {name}", "front_door", OPERATIONS[name].needs, event))
        for title, function, needs, event in cases:
            taken = [first_answer(function, needs, event, product) for _ in range(ROUNDS)]
            ready, answered = (statistics.median(part) for part in zip(*taken, strict=True))
            lines.append(f"{title:27} ready {ready:.2f} s, first answer {answered:.2f} s")
    report("Cold start of a handler, median", *lines)


if __name__ == "__main__":
    main()
