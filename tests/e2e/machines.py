"""Several servers on one Postgres, and clients that know which answers are right."""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray
from PIL import Image

from facedex_local.postgres.cluster import Postgres
from tests.e2e.photos import jpeg
from tests.e2e.restarting import Machine

GALLERY = "staff"
THRESHOLD = 80.0
SYNTHETIC = 6000  # enough for a copy of the gallery in memory
_PAUSE = 0.05  # seconds after a request that reached no server


@contextmanager
def fleet(folder: Path, pack_directory: Path, *, size: int = 3) -> Iterator[Fleet]:
    """Run servers on an empty database, all of them started at the same moment."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    postgres = Postgres(elsewhere)
    url = f"--database-url={postgres.start()}"
    try:
        with ThreadPoolExecutor(size) as pool:
            places = [folder / f"server-{number}" for number in range(size)]
            started = [pool.submit(Machine, each, pack_directory, url) for each in places]
            machines = [each.result() for each in started]
        try:
            yield Fleet(machines, postgres.url)
        finally:
            with ThreadPoolExecutor(size) as pool:
                list(pool.map(lambda each: each.server.stop(), machines))
    finally:
        postgres.stop()


@dataclass
class Fleet:
    """Running servers.

    Attributes:
        machines: the servers.
        database_url: the database of all of them.
    """

    machines: list[Machine]
    database_url: str

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the database."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def logs(self) -> str:
        """Return the logs of all servers."""
        return "".join(each.server.log.read_text() for each in self.machines)


@dataclass
class Life:
    """What is known of a face or a user: the times at which requests were sent and answered."""

    stored: float = np.inf
    removing: float = np.inf
    removed: float = np.inf


@dataclass
class Ledger:
    """The faces and users of a person that clients were informed of, by their ids.

    Attributes:
        seed: the face that stays.
        faces: the others.
        users: the users that have faces.
    """

    seed: str
    faces: dict[str, Life] = field(default_factory=dict)
    users: dict[str, Life] = field(default_factory=dict)


def wrong(lives: dict[str, Life], found: set[str], sent: float, answered: float) -> list[str]:
    """Return the ids that an answer must have and lacks, or has and must not have."""
    wrongs = []
    for each, life in list(lives.items()):
        if life.stored <= sent and life.removing >= answered and each not in found:
            wrongs.append(f"lacks {each}, stored {sent - life.stored:.3f} s before")
        if life.removed <= sent and each in found:
            wrongs.append(f"has {each}, removed {sent - life.removed:.3f} s before")
    return wrongs


class Client:
    """A client that asks any server, and another one if it does not answer.

    Args:
        fleet: the servers.
        seed: of its random choices.
    """

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.random = Random(seed)
        self._clients = [each.client("rekognition") for each in fleet.machines]
        self._ended = threading.Event()
        self.done: Counter[str] = Counter()

    def end(self) -> None:
        """Send no more requests."""
        self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether the client was ended."""
        return self._ended.is_set()

    def insist(self, operation: str, *, settled: str = "", **members: Any) -> Any:
        """Repeat a request on one server or another until one has answered.

        Args:
            operation: boto3's name of the operation.
            settled: the error that reports that an attempt without an answer had succeeded.
            members: of the request, without the collection.
        """
        end = time.monotonic() + 60
        while time.monotonic() < end:
            client = self.random.choice(self._clients)
            try:
                answer = getattr(client, operation)(CollectionId=GALLERY, **members)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == settled:
                    answer = {}
                elif error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
                else:
                    time.sleep(_PAUSE)
                    continue
            except BotoCoreError:
                time.sleep(_PAUSE)
                continue
            self.done[operation] += 1
            return answer
        raise AssertionError(f"No server answered {operation} for a minute.")


class Writer(Client):
    """Adds faces and users of a person, and removes them, with a record of each."""

    def __init__(self, fleet: Fleet, seed: int, ledger: Ledger, photos: Iterator[bytes]) -> None:
        super().__init__(fleet, seed)
        self._ledger, self._photos = ledger, photos
        self._names = (f"user-{seed}-{number}" for number in itertools.count())

    def work(self) -> None:
        """Write until the client is ended; what it began it finishes."""
        alive: list[list[str]] = []
        while not self.ended:
            faces = [self._add() for _ in range(2)]
            user = next(self._names)
            self.insist("create_user", UserId=user, settled="ConflictException")
            self.insist("associate_faces", UserId=user, FaceIds=faces, UserMatchThreshold=THRESHOLD)
            self._ledger.users[user] = Life(stored=time.monotonic())
            alive.append([user, *faces])
            if len(alive) > 4:
                self._remove(*alive.pop(self.random.randrange(len(alive))))

    def _add(self) -> str:
        photo = next(self._photos)
        # The same photo has the same face, however often it is sent.
        (record,) = self.insist("index_faces", Image={"Bytes": photo})["FaceRecords"]
        face_id: str = record["Face"]["FaceId"]
        self._ledger.faces[face_id] = Life(stored=time.monotonic())
        return face_id

    def _remove(self, user: str, *faces: str) -> None:
        life = self._ledger.users[user]
        life.removing = time.monotonic()
        self.insist("delete_user", UserId=user, settled="ResourceNotFoundException")
        life.removed = time.monotonic()
        lives = [self._ledger.faces[each] for each in faces]
        for each in lives:
            each.removing = time.monotonic()
        self.insist("delete_faces", FaceIds=list(faces))
        for each in lives:
            each.removed = time.monotonic()


class Searcher(Client):
    """Searches on one server, and compares each answer with what was acknowledged before.

    Attributes:
        wrongs: a sentence for each wrong answer.
    """

    def __init__(self, fleet: Fleet, number: int, ledgers: list[Ledger]) -> None:
        super().__init__(fleet, number)
        self._client = fleet.machines[number].client("rekognition")
        self._number, self._ledgers = number, ledgers
        self.wrongs: list[str] = []

    def work(self) -> None:
        """Search until the client is ended."""
        while not self.ended:
            ledger = self.random.choice(self._ledgers)
            for operation, lives, find in (
                ("search_faces", ledger.faces, self._faces),
                ("search_users", ledger.users, self._users),
            ):
                sent = time.monotonic()
                try:
                    found = find(ledger.seed)
                except (BotoCoreError, ClientError) as error:
                    self.done[f"refused: {type(error).__name__}"] += 1
                    time.sleep(_PAUSE)
                    continue
                self.done[operation] += 1
                self.wrongs += [
                    f"{operation} on server {self._number} {each}"
                    for each in wrong(lives, found, sent, time.monotonic())
                ]

    def _faces(self, face_id: str) -> set[str]:
        answer = self._client.search_faces(
            CollectionId=GALLERY, FaceId=face_id, FaceMatchThreshold=THRESHOLD, MaxFaces=4096
        )
        return {match["Face"]["FaceId"] for match in answer["FaceMatches"]}

    def _users(self, face_id: str) -> set[str]:
        answer = self._client.search_users(
            CollectionId=GALLERY, FaceId=face_id, UserMatchThreshold=THRESHOLD, MaxUsers=500
        )
        return {match["User"]["UserId"] for match in answer["UserMatches"]}


def versions(photo: bytes, seed: int) -> Iterator[bytes]:
    """Yield small versions of a portrait, no two of them the same."""
    random = Random(seed)
    with Image.open(io.BytesIO(photo)) as whole:
        picture = whole.convert("RGB")
    picture.thumbnail((260, 260))
    for number in itertools.count():
        left, top = random.randrange(6), random.randrange(6)
        part = picture.crop((left, top, picture.width - 6 + left, picture.height - 6 + top))
        tinted = part.point(lambda value, by=number % 24: max(0, value - by))
        yield jpeg(tinted, quality=95 - number // 24 % 40)


def fill(fleet: Fleet, face_id: str) -> None:
    """Add synthetic faces to the collection of a face, like those of a few hundred people."""
    ((collection, vector),) = fleet.rows(
        "SELECT collection_key, vector::real[] FROM faces WHERE face_id = %s", face_id
    )
    random = np.random.default_rng(7)
    people = random.standard_normal((SYNTHETIC // 20, len(vector)))
    drawn = np.repeat(people, 20, axis=0)
    drawn = drawn + 0.3 * random.standard_normal(drawn.shape)
    unit = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    with psycopg.connect(fleet.database_url) as connection:
        connection.execute(
            "INSERT INTO faces (collection_key, face_id, image_id, image_digest, face_number,"
            " box_left, box_top, box_width, box_height, confidence, vector) SELECT %s,"
            " gen_random_uuid(), gen_random_uuid(), '', 0, 0, 0, 1, 1, 99, vector::halfvec"
            " FROM unnest(%s::text[]) AS vector",
            (collection, [str(each.tolist()) for each in unit]),
        )
        connection.execute(
            "INSERT INTO collection_counts (collection_key, slot, faces) VALUES (%s, 99, %s)",
            (collection, SYNTHETIC),
        )


def stored(fleet: Fleet, table: str, key: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return the ids and vectors of a table of the collection."""
    rows = fleet.rows(
        f"SELECT {key}::text, vector::real[] FROM {table} JOIN collections USING (collection_key)"
        " WHERE collection_id = %s AND vector IS NOT NULL",
        GALLERY,
    )
    return [name for name, _ in rows], np.array([vector for _, vector in rows], np.float64)


def together(clients: list[Any], act: Callable[[], None]) -> None:
    """Run the work of clients while ``act`` runs, and raise their errors."""
    with ThreadPoolExecutor(len(clients)) as pool:
        working = [pool.submit(each.work) for each in clients]
        try:
            act()
        finally:
            for each in clients:
                each.end()
        for each in working:
            each.result()
