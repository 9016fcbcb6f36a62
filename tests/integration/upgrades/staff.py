"""The collection "staff", as its user sees it before, during and after an upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from facedex.api.naming import escape
from facedex.runtime import services
from facedex_cli.program import main

MODEL = "901.1"


class Staff:
    """The collection "staff" of a service, as seen by a user."""

    def __init__(self, client: Any, database_url: str, photos: Path, models: Path) -> None:
        self.client = client
        self.photos = photos
        self._database_url = database_url
        self._models = models

    def fill(self) -> dict[str, dict[str, Any]]:
        """Index every photo, and create a user for each person; return the records by photo."""
        faces: dict[str, dict[str, Any]] = {}
        for path in sorted(self.photos.rglob("*.*")):
            relative = path.relative_to(self.photos).as_posix()
            answer = self.client.index_faces(
                CollectionId="staff",
                Image={"Bytes": path.read_bytes()},
                ExternalImageId=escape(relative),
                QualityFilter="NONE",
                MaxFaces=1,
            )
            if answer["FaceRecords"]:
                faces[relative] = answer["FaceRecords"][0]["Face"]
        for person in sorted({name.split("/")[0] for name in faces if "/" in name}):
            self.client.create_user(CollectionId="staff", UserId=person)
            ids = [face["FaceId"] for name, face in faces.items() if name.startswith(f"{person}/")]
            self.client.associate_faces(
                CollectionId="staff", UserId=person, FaceIds=ids, UserMatchThreshold=0
            )
        assert len(faces) >= 16
        return faces

    def run(self, *arguments: str) -> Result:
        """Run ``facedex collections``."""
        options = [f"--database-url={self._database_url}", f"--data-dir={self._models.parent}/d"]
        result = CliRunner(
            env={
                "FACEDEX_MODELS": str(self._models),
                "FACEDEX_PACK": "dlib",
                "COLUMNS": None,
            }
        ).invoke(main, ["collections", *arguments, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    def upgrade(self, *more: str, source: str = "", pack: str = "short") -> Result:
        return self.run(
            "upgrade", "staff", f"--from={source or self.photos}", f"--pack={pack}", *more
        )

    @property
    def model(self) -> str:
        described = self.client.describe_collection(CollectionId="staff")
        return str(described["FaceModelVersion"])

    def listed(self) -> list[dict[str, Any]]:
        """Return the faces without the member that an upgrade changes."""
        faces = self.client.list_faces(CollectionId="staff")["Faces"]
        return [{**face, "IndexFacesModelVersion": ""} for face in faces]

    def find(self, photo: str) -> str:
        """Return the FaceId of the best match of a photo."""
        found = self.client.search_faces_by_image(
            CollectionId="staff", Image={"Bytes": (self.photos / photo).read_bytes()}
        )
        best = found["FaceMatches"][0]
        assert best["Similarity"] > 99.9
        assert best["Face"]["IndexFacesModelVersion"] == found["FaceModelVersion"]
        return str(best["Face"]["FaceId"])

    def dimensions(self, table: str) -> set[int]:
        with services.database().reading() as connection:
            rows = connection.execute(f"SELECT DISTINCT vector_dims(vector) AS size FROM {table}")
            return {row.size for row in rows}
