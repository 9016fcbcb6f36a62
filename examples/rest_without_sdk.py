"""Index a photo and search with another, by the REST routes and Python's standard library alone.

python examples/rest_without_sdk.py ann.jpg door.jpg
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SERVER = os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
COLLECTION = "visitors"


def call(method: str, path: str, body: bytes, kind: str = "application/json") -> Any:
    """Return the answer of a route.

    Raises:
        SystemExit: the server reports an error; its code and message are printed.
    """
    request = Request(  # noqa: S310 - the address is the user's own server
        f"{SERVER}/v1{path}", data=body or None, headers={"Content-Type": kind}, method=method
    )
    try:
        with urlopen(request) as response:  # noqa: S310
            return json.load(response)
    except HTTPError as error:
        answer = json.load(error)
        raise SystemExit(f"{answer['__type']}: {answer['Message']}") from None


def main(photo: Path, probe: Path) -> None:
    """Index the photo, search with the probe, and delete the collection again."""
    call("POST", "/collections", json.dumps({"CollectionId": COLLECTION}).encode())
    try:
        faces = f"/collections/{COLLECTION}/faces?ExternalImageId={photo.stem}"
        indexed = call("POST", faces, photo.read_bytes(), "application/octet-stream")
        print(f"{photo.name}: {len(indexed['FaceRecords'])} face records")
        search = f"/collections/{COLLECTION}/search?FaceMatchThreshold=99"
        found = call("POST", search, probe.read_bytes(), "application/octet-stream")
        for match in found["FaceMatches"]:
            print(f"{probe.name}: {match['Face']['ExternalImageId']} ({match['Similarity']:.3f})")
    finally:
        call("DELETE", f"/collections/{COLLECTION}", b"")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
