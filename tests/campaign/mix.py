"""A client that makes random calls of all kinds and compares the product with its oracle."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.campaign.oracle import Change, Fact, Oracle, State, adding, removing
from tests.campaign.tally import Tally
from tests.conftest import client_of

BOUND = 30.0  # maximum seconds until an answer or the loss of the connection
RECOVERY = 120.0  # maximum seconds without an answer after a kill
# Seconds until a write whose answer was lost is certainly either done or not: the database ends a
# statement whose client has died only when it is finished.
SETTLED = 3.0
SAME = 99.9  # minimum Similarity of two identical pictures
# Errors that a client can get when another client was faster.
CONFLICTS = frozenset({"ConflictException"})
_MOST_FACES = 40  # of one client
_USERS = 3
_MOST_MATCHES = 4096


class AnswerLost(Exception):
    """The call failed in a way that leaves open whether it was carried out."""


class Client:
    """One of several clients of one collection; each owns its faces, users and collections.

    Attributes:
        oracle: the answers that this client received.
    """

    def __init__(
        self,
        url: str,
        collection: str,
        name: str,
        pictures: Sequence[Sequence[bytes]],
        random: Random,
        tally: Tally,
    ) -> None:
        """Make a client.

        Args:
            url: address of the server.
            collection: an existing collection.
            name: prefix of all names that this client uses.
            pictures: for each of several views, pictures that differ only in their bytes.
            random: source of the choices.
            tally: the part's counts.
        """
        config = Config(retries={"total_max_attempts": 1}, read_timeout=BOUND, connect_timeout=5)
        self._rekognition = client_of(url, "rekognition", config=config)
        self._collection, self._name = collection, name
        self._pictures, self._random, self._tally = pictures, random, tally
        self._numbers = count()
        self._views: dict[str, int] = {}  # face's name -> number of its view
        self._ids: dict[str, str] = {}  # face's name -> FaceId, if acknowledged
        self.oracle = Oracle()

    def step(self) -> None:
        """Make a random call; after a lost answer, find out what is stored."""
        try:
            self._random.choice(_CALLS)(self)
        except AnswerLost:
            time.sleep(SETTLED)
            self.audit()

    def _call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Make a call.

        Raises:
            AnswerLost: if there was no answer, or an internal error.
            ClientError: if the call was refused.
        """
        self._tally.attempt()
        began = time.monotonic()
        try:
            answer = getattr(self._rekognition, operation)(**members)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code = error.response["Error"].get("Code", "")
            self._tally.refuse(code, time.monotonic() - began)
            if status >= 500:
                raise AnswerLost(code) from error
            raise
        except BotoCoreError as error:
            raise AnswerLost(str(error)) from error
        self._tally.answer(time.monotonic() - began)
        return dict(answer)

    def _write(self, operation: str, change: Change, **members: Any) -> dict[str, Any] | None:
        """Make a call that must be carried out; return None if another client was faster."""
        try:
            answer = self._call(operation, **members)
        except AnswerLost:
            self._tally.doubt()
            self.oracle.doubt(change)
            raise
        except ClientError as error:
            if (code := error.response["Error"]["Code"]) not in CONFLICTS:
                self._tally.surprise(f"A valid {operation} was refused: {error} ({code})")
            return None
        self.oracle.acknowledge(change)
        return answer

    def _in_collection(self, operation: str, change: Change, **members: Any) -> Any:
        return self._write(operation, change, CollectionId=self._collection, **members)

    def _faces(self, *, free: bool = False) -> list[str]:
        """Return the names of this client's faces; free: only those without a user."""
        taken = {fact[2] for fact in self.oracle.state if fact[0] == "member"}
        return sorted(
            fact[1]
            for fact in self.oracle.state
            if fact[0] == "face" and not (free and fact[1] in taken)
        )

    def _some(self, found: list[str], most: int) -> list[str]:
        """Return a few of the faces whose FaceId is known."""
        known = [name for name in found if name in self._ids]
        return self._random.sample(known, min(len(known), self._random.randint(1, most)))

    def _user(self) -> str:
        return f"{self._name}-user-{self._random.randrange(_USERS)}"

    def index(self) -> None:
        if len(self._faces()) >= _MOST_FACES:
            self.delete()
            return
        view = self._random.randrange(len(self._pictures))
        name = f"{self._name}-face-{next(self._numbers)}"
        self._views[name] = view
        members = {
            "Image": {"Bytes": self._random.choice(self._pictures[view])},
            "ExternalImageId": name,
            "MaxFaces": 1,
        }
        for _ in range(2 if self._random.random() < 0.1 else 1):  # again: the same face
            if answer := self._in_collection("index_faces", adding(("face", name)), **members):
                face_id = answer["FaceRecords"][0]["Face"]["FaceId"]
                if self._ids.setdefault(name, face_id) != face_id:
                    self._tally.surprise(f"The face {name} was indexed again with another FaceId.")

    def delete(self) -> None:
        names = self._some(self._faces(free=True), 3)
        if names:
            ids = [self._ids[name] for name in names]
            change = removing(*(("face", name) for name in names))
            self._in_collection("delete_faces", change, FaceIds=ids)

    def associate(self) -> None:
        user = self._user()
        if ("user", user) not in self.oracle.state:
            self._in_collection("create_user", adding(("user", user)), UserId=user)
            return
        if names := self._some(self._faces(free=True), 4):
            change = adding(*(("member", user, name) for name in names))
            ids = [self._ids[name] for name in names]
            self._in_collection(
                "associate_faces", change, UserId=user, FaceIds=ids, UserMatchThreshold=0
            )

    def disassociate(self) -> None:
        user = self._user()
        members = sorted(fact[2] for fact in self.oracle.state if fact[:2] == ("member", user))
        if names := self._some(members, 3):
            change = removing(*(("member", user, name) for name in names))
            ids = [self._ids[name] for name in names]
            self._in_collection("disassociate_faces", change, UserId=user, FaceIds=ids)

    def delete_user(self) -> None:
        user = self._user()
        if ("user", user) in self.oracle.state and self._random.random() < 0.3:
            facts = [fact for fact in self.oracle.state if user in fact[1:2]]
            self._in_collection("delete_user", removing(*facts), UserId=user)

    def recreate(self) -> None:
        """Create or delete a collection of this client alone."""
        name = f"{self._name}-collection-{self._random.randrange(2)}"
        fact = ("collection", name)
        if fact in self.oracle.state:
            self._write("delete_collection", removing(fact), CollectionId=name)
        else:
            self._write("create_collection", adding(fact), CollectionId=name)

    def read(self) -> None:
        """Make calls that change nothing."""
        picture = {"Bytes": self._random.choice(self._pictures[0])}
        self._call("detect_faces", Image=picture)
        self._call("describe_collection", CollectionId=self._collection)
        self._call("search_users_by_image", CollectionId=self._collection, Image=picture)

    def audit(self) -> None:
        """Compare everything that this client owns with its oracle, in lists and by search."""
        end = time.monotonic() + RECOVERY
        while True:
            try:
                seen = self._look()
                break
            except AnswerLost as error:
                if time.monotonic() > end:
                    self._tally.surprise(f"There was no answer for {RECOVERY:.0f} s: {error}")
                    return
                time.sleep(0.5)
        self._tally.check(len(seen))
        missing, forbidden = self.oracle.observe(seen)
        if missing or forbidden:
            self._tally.lose(f"{self._name}: missing {sorted(missing)}, wrong {sorted(forbidden)}")

    def _look(self) -> State:
        """Return all facts about what this client owns."""
        here = {"CollectionId": self._collection}
        faces = [f for f in self._pages("list_faces", "Faces", **here) if self._owns(f)]
        facts: list[Fact] = []
        for face in faces:
            name = face["ExternalImageId"]
            facts.append(("face", name))
            if self._ids.setdefault(name, face["FaceId"]) != face["FaceId"]:
                self._tally.lose(f"The face {name} has another FaceId than was acknowledged.")
            if "UserId" in face:
                facts.append(("member", face["UserId"], name))
        users = self._pages("list_users", "Users", **here)
        facts += [("user", u["UserId"]) for u in users if u["UserId"].startswith(f"{self._name}-")]
        collections = self._pages("list_collections", "CollectionIds")
        facts += [("collection", c) for c in collections if c.startswith(f"{self._name}-")]
        facts += [("twice", *fact) for fact, number in Counter(facts).items() if number > 1]
        self._search(faces)
        return frozenset(facts)

    def _search(self, faces: Sequence[Mapping[str, Any]]) -> None:
        """Check that search finds exactly the listed faces of one view, with Similarity 100."""
        listed = {face["ExternalImageId"] for face in faces}
        view = self._random.randrange(len(self._pictures))
        answer = self._call(
            "search_faces_by_image",
            CollectionId=self._collection,
            Image={"Bytes": self._pictures[view][0]},
            FaceMatchThreshold=0,
            MaxFaces=_MOST_MATCHES,
        )
        found = {
            match["Face"]["ExternalImageId"]: match["Similarity"]
            for match in answer["FaceMatches"]
            if self._owns(match["Face"])
        }
        self._tally.check(len(found))
        same = {name for name in listed if self._views[name] == view}
        if weak := {name for name in same if found.get(name, 0) < SAME}:
            self._tally.lose(f"Search does not find {sorted(weak)} with Similarity 100.")
        if gone := found.keys() - listed:
            self._tally.lose(f"Search finds {sorted(gone)}, which are not in the collection.")

    def _owns(self, face: Mapping[str, Any]) -> bool:
        return str(face.get("ExternalImageId", "")).startswith(f"{self._name}-")

    def _pages(self, operation: str, member: str, **members: Any) -> list[Any]:
        found: list[Any] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(operation, **members, **token)
            found += page[member]
            if "NextToken" not in page:
                return found
            token = {"NextToken": page["NextToken"]}


_CALLS: tuple[Callable[[Client], None], ...] = (
    *[Client.index] * 5,
    *[Client.associate] * 3,
    *(Client.delete, Client.disassociate, Client.delete_user, Client.recreate, Client.read),
    Client.audit,
)


def clients(
    url: str,
    collection: str,
    pictures: Sequence[Sequence[bytes]],
    tally: Tally,
    random: Callable[[str], Random],
    number: int,
) -> list[Client]:
    """Return a number of clients of one collection."""
    make = partial(Client, url, collection)
    names = [f"client{each}" for each in range(number)]
    return [make(f"{collection}-{name}", pictures, random(name), tally) for name in names]
