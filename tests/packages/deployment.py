"""All functions of the catalog, run from their packages with a database and AWS's storage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Operation, OtherFunction
from facedex.store import schema
from facedex.store.database import Database
from infra.packages import Target, function, layers_of
from tests.packages import lambda_service
from tests.packages.lambda_service import Container, Run

EVENTS = Path(__file__).parents[2] / "events"
ROWS: Mapping[str, Operation | OtherFunction] = {
    **{row.function: row for row in OPERATIONS.values()},
    **OTHER_FUNCTIONS,
}
# The names in the sample events that differ in a real database.
FACE = "11111111-2222-3333-4444-555555555555"
JOB = "a1b2c3d4" * 8
VIDEO_STREAM = "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1767268800000"

# The sample event of a task of a video job, and that of the preceding task.
_FIRST_SEGMENT, _PLAN = '\\"Task\\": 0', '\\"Task\\": -1'

_FACE: Final = ("migrate", "create_collection", "index_faces")
_MEMBER: Final = (*_FACE, "create_user", "associate_faces")
_SEGMENTS: Final = ("plan", "search_video_segment")
# The steps that must run before a function; "plan" is search_video_segment's first task, and
# "mark deleted" is a deletion that is then interrupted.
STAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "nothing": (),
    "schema": _FACE[:1],
    "collection": _FACE[:2],
    "face": _FACE,
    "user": _MEMBER[:4],
    "member": _MEMBER,
    "friends": ("migrate", "create_collection friends"),
    "deleted": (*_MEMBER, "mark deleted"),
    "processor": (*_FACE, "create_stream_processor"),
    "started processor": (*_FACE, "create_stream_processor", "start_stream_processor"),
    "planned search": (*_FACE, "start_face_search", "plan"),
    "searched video": (*_FACE, "start_face_search", *_SEGMENTS),
    "looked through video": (*_FACE[:1], "start_face_detection", *_SEGMENTS),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A database in a certain state, and the values of the sample events' names in it."""

    database: str
    names: Mapping[str, str]


@dataclass(slots=True)
class Deployment:
    """The unpacked packages, and the services that the functions use.

    Attributes:
        layers: directories by layer.
        folder: folder with the unpacked packages.
        postgres: libpq connection string of a cluster in which databases can be created.
        settings: the functions' environment, except the database.
        names: the values of the sample events' names that are the same for all databases.
        film: two seconds of a portrait as an MP4.
        python: the command that starts the functions' interpreter.
        runtime: folder with AWS's runtime client for that interpreter.
        runs: for each function, the run that used the most memory.
    """

    target: Target
    layers: Mapping[str, Path]
    folder: Path
    postgres: str
    settings: Mapping[str, str]
    names: Mapping[str, str]
    film: bytes
    python: Sequence[str]
    runtime: Path
    runs: dict[str, Run] = field(default_factory=dict)
    stages: dict[tuple[str, ...], Stage] = field(default_factory=dict)

    def prove(self, name: str, stage: str, **changes: Any) -> Run:
        """Run a function with its sample event on a copy of a stage."""
        base = self.reach(stage)
        run = self._invoke(name, Stage(self._copy(base.database, name), base.names), changes)
        if name not in self.runs or run.peak > self.runs[name].peak:
            self.runs[name] = run
        return run

    def reach(self, stage: str) -> Stage:
        """Prepare a stage, unless it has been prepared already."""
        return self._stage(STAGES[stage])

    def rows(self, name: str, query: str) -> list[Any]:
        """Return the result of a query on the database after a run of the function."""
        with psycopg.connect(self.url(f"proof_{name}")) as connection:
            return connection.execute(query).fetchall()

    def event(self, name: str, names: Mapping[str, str]) -> dict[str, Any]:
        """Return a function's sample event with the real names."""
        text = (EVENTS / f"{name}.json").read_text("utf-8")
        for sample, real in {**self.names, **names}.items():
            text = text.replace(sample, real)
        event: dict[str, Any] = json.loads(text)
        return event

    def _stage(self, steps: tuple[str, ...]) -> Stage:
        if steps not in self.stages:
            self.stages[steps] = self._make_stage(steps)
        return self.stages[steps]

    def _make_stage(self, steps: tuple[str, ...]) -> Stage:
        if not steps:
            self._execute("CREATE DATABASE stage_nothing")
            return Stage("stage_nothing", {})
        before = self._stage(steps[:-1])
        database = self._copy(before.database, f"stage_{len(self.stages)}")
        if steps[-1] == "migrate":
            opened = Database(self.url(database))
            schema.migrate(opened)
            opened.close()
            return Stage(database, {})
        if steps[-1] == "mark deleted":
            with psycopg.connect(self.url(database)) as connection:
                connection.execute("UPDATE collections SET deleted_at = now()")
            return Stage(database, before.names)
        names = dict(before.names)
        planned = {_FIRST_SEGMENT: _PLAN} if steps[-1] == "plan" else {}
        name = "search_video_segment" if planned else steps[-1]
        name, _, collection = name.partition(" ")
        changed = {"body": json.dumps({"CollectionId": collection})} if collection else {}
        answer = self._invoke(name, Stage(database, {**names, **planned}), changed).answer
        if "batchItemFailures" in answer:
            assert answer["batchItemFailures"] == []
            return Stage(database, names)
        assert answer["statusCode"] == 200, answer["body"]
        body = json.loads(answer["body"] or "{}")
        if "FaceRecords" in body:
            names[FACE] = body["FaceRecords"][0]["Face"]["FaceId"]
        if "JobId" in body:
            names[JOB] = body["JobId"]
        return Stage(database, names)

    @contextmanager
    def container(self, name: str, database: str, **settings: str) -> Iterator[Container]:
        """Start a function that answers several events; end it after the block.

        Args:
            settings: further environment variables.
        """
        with lambda_service.container(name, **self._options(name, database, settings)) as started:
            yield started

    def _invoke(self, name: str, stage: Stage, changes: Mapping[str, Any]) -> Run:
        event = {**self.event(name, stage.names), **changes}
        return lambda_service.run(name, event, **self._options(name, stage.database, {}))

    def _options(self, name: str, database: str, settings: Mapping[str, str]) -> dict[str, Any]:
        opt = self.folder / "opt" / "-".join(layers_of(ROWS[name].needs))
        if not opt.is_dir():
            lambda_service.lay_out([self.layers[each] for each in layers_of(ROWS[name].needs)], opt)
        return {
            "task": function(name),
            "opt": opt,
            "runtime": self.runtime,
            "python": self.python,
            "memory": ROWS[name].memory,
            "timeout": ROWS[name].timeout,
            "settings": {
                "FACEDEX_MODELS": str(opt / "models"),
                "FACEDEX_DATABASE_URL": self.url(database),
                **self.settings,
                **settings,
            },
        }

    def url(self, database: str) -> str:
        """Return the connection string of a database."""
        return psycopg.conninfo.make_conninfo(self.postgres, dbname=database)

    def copy(self, stage: str, name: str) -> str:
        """Return a database of its own, a copy of a stage."""
        return self._copy(self.reach(stage).database, name)

    def _copy(self, database: str, name: str) -> str:
        copied = name if name.startswith("stage_") else f"proof_{name}"
        self._execute(f"DROP DATABASE IF EXISTS {copied} WITH (FORCE)")
        self._execute(f"CREATE DATABASE {copied} TEMPLATE {database}")
        return copied

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(statement)
