"""From the start of a Python process to a handler's first answer, as in a new Lambda environment.

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

from facedex.api.catalog import OPERATIONS
from facedex_models.installing import models_directory
from tests.bench.measuring import portrait, report
from tests.bench.serving import Product, serving

ROUNDS = 7

PROGRAM = """
import importlib, json, sys, time
begun = float(sys.argv[1])
event = json.load(sys.stdin)
handler = importlib.import_module(sys.argv[2]).lambda_handler
from facedex import services
if sys.argv[3] == "models":
    services.pack().open()
if sys.argv[4] == "database":
    services.database().ping()
ready = time.time() - begun
status = handler(event, None)["statusCode"]
print(json.dumps([ready, time.time() - begun, status]))
"""


def first_answer(
    function: str, needs: frozenset[str], event: str, server: Product
) -> tuple[float, float]:
    """Seconds until ready, and until the first answer."""
    # Compiled bytecode, as in an installed package.
    environment = {
        **os.environ,
        "FACEDEX_DATABASE_URL": server.database_url,
        "FACEDEX_MODELS": str(models_directory()),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    models = "models" if "models" in needs else "none"
    database = "database" if "database" in needs else "none"
    module = f"functions.{function}.handler"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(time.time()), module, models, database],
        input=event,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    ready, answered, status = json.loads(done.stdout.splitlines()[-1])
    assert status == 200, done.stdout
    return ready, answered


def main() -> None:
    photo = base64.b64encode(portrait()).decode()
    lines = []
    with serving() as server:
        client = server.client("rekognition")
        client.create_collection(CollectionId="staff")
        indexed = client.index_faces(CollectionId="staff", Image={"Bytes": base64.b64decode(photo)})
        face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
        for row in OPERATIONS.values():
            if row.name in ("CreateCollection", "DeleteCollection", "DeleteFaces"):
                continue
            event = {
                "httpMethod": row.method,
                "resource": row.path,
                "pathParameters": {
                    name: value
                    for name, value in {"CollectionId": "staff", "FaceId": face_id}.items()
                    if f"{{{name}}}" in row.path
                },
                "headers": {"Content-Type": "image/jpeg"} if "models" in row.needs else {},
                "body": photo if "models" in row.needs else None,
                "isBase64Encoded": "models" in row.needs,
            }
            taken = [
                first_answer(row.function, row.needs, json.dumps(event), server)
                for _ in range(ROUNDS)
            ]
            ready, answered = (statistics.median(part) for part in zip(*taken, strict=True))
            lines.append(f"{row.name:20} ready {ready:.2f} s, first answer {answered:.2f} s")
    report("Cold start of a handler, median", *lines)


if __name__ == "__main__":
    main()
