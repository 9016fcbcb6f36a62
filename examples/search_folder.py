"""Print who is on each photo of a folder, every face of it.

python examples/search_folder.py friends ~/Pictures

SearchFacesByImage searches with the largest face only. The REST route with ``?faces=all`` searches
with every face of a photo in one request.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

SERVER = os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


def search(collection: str, photo: Path) -> list[str]:
    """Return the names on a photo, the largest face first; ``?`` is a face without a match."""
    request = Request(  # noqa: S310 - the address is the user's own server
        f"{SERVER}/v1/collections/{quote(collection)}/search?faces=all&FaceMatchThreshold=99",
        data=photo.read_bytes(),
        headers={"Content-Type": KINDS[photo.suffix.lower()]},
    )
    with urlopen(request) as response:  # noqa: S310
        faces = json.load(response)["SearchedFaces"]
    return [
        face["FaceMatches"][0]["Face"]["ExternalImageId"] if face["FaceMatches"] else "?"
        for face in faces
    ]


def main(collection: str, folder: Path) -> None:
    """Print one line for each photo; a file that is no photo is reported, and the rest go on."""
    for photo in sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS):
        try:
            names = search(collection, photo)
        except HTTPError as error:
            print(f"{photo.name}: {json.load(error)['Message']}")
        else:
            print(f"{photo.name}: {', '.join(names) or 'no face'}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
