"""``facedex import`` as a process, and its report."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from PIL import Image

if TYPE_CHECKING:
    from tests.conftest import Server

Rows = dict[str, dict[str, str]]


class Importer:
    """``facedex import`` into a separate collection, with a separate journal.

    Attributes:
        collection: the collection, which the first import creates.
        environment: the command's environment variables.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.collection = f"import-{uuid4().hex}"
        self.client: Any = server.client("rekognition")
        self._report = folder / "report.csv"
        self._command = [
            str(Path(sys.executable).with_name("facedex")),
            "import",
            f"--collection={self.collection}",
            f"--data-dir={folder / 'data'}",
            f"--report={self._report}",
        ]
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        } | {"AWS_ENDPOINT_URL": server.url, "AWS_CONFIG_FILE": os.devnull}

    def start(self, source: Path | str, *options: str) -> subprocess.Popen[str]:
        """Start an import."""
        return subprocess.Popen(
            [*self._command, str(source), *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, source: Path | str, *options: str, status: int = 0) -> Rows:
        """Run an import to its end, and return its report: a row by each file's name."""
        process = self.start(source, *options)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == status, output + errors
        return self.report()

    def report(self) -> Rows:
        """Return the last run's report."""
        with self._report.open(newline="", encoding="utf-8") as file:
            return {row["photo"].rpartition("/")[2]: row for row in csv.DictReader(file)}

    def external_ids(self) -> list[str]:
        """Return the ExternalImageIds of the collection's faces, sorted."""
        pages = self.client.get_paginator("list_faces").paginate(CollectionId=self.collection)
        return sorted(face["ExternalImageId"] for page in pages for face in page["Faces"])


def portrait(data: bytes) -> Image.Image:
    """Return a portrait's picture."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")
