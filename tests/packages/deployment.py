"""Every function of the catalog on its packages, with a database and AWS's storage behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from facedex.api.catalog import OPERATIONS, WORKERS, Operation, Worker
from facedex.store import schema
from facedex.store.database import Database
from infra.packages import Target, function, layers_of
from tests.packages import lambda_service
from tests.packages.lambda_service import Run

EVENTS = Path(__file__).parents[2] / "events"
ROWS: Mapping[str, Operation | Worker] = {
    **{row.function: row for row in OPERATIONS.values()},
    **WORKERS,
}
# The sample events' names of what has other names in a real database.
FACE = "11111111-2222-3333-4444-555555555555"
JOB = "a1b2c3d4" * 8
VIDEO_STREAM = "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1767268800000"

# The sample event of a piece of work on a video, and the one before it.
_FIRST_SEGMENT, _PLAN = '\\"Task\\": 0', '\\"Task\\": -1'

# What API Gateway's IAM authorizer says of the caller.
_LET_IN: Final = {
    "accountId": "123456789012",
    "accessKey": "AKIAIOSFODNN7EXAMPLE",
    "caller": "AIDACKCEVSQ6C2EXAMPLE",
    "user": "AIDACKCEVSQ6C2EXAMPLE",
    "userArn": "arn:aws:iam::123456789012:user/eileen",
}

_FACE: Final = ("migrate", "create_collection", "index_faces")
_MEMBER: Final = (*_FACE, "create_user", "associate_faces")
_SEGMENTS: Final = ("plan", "search_video_segment")
# What ran before a function that needs what it leaves behind; "plan" is search_video_segment's
# first piece of work, "mark deleted" what a deletion does that is then cut off.
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
    """A database in a certain state, and what in it the sample events' names stand for."""

    database: str
    names: Mapping[str, str]


@dataclass(slots=True)
class Deployment:
    """The packages, laid out, and what stands behind them.

    Attributes:
        layers: directories by layer.
        folder: where they are laid out.
        postgres: libpq connection string of a cluster in which databases can be made.
        settings: the functions' environment, but for the database.
        names: what the sample events' names stand for, whatever the database.
        film: two seconds of a portrait as an MP4.
        runs: of each function's proofs the one that took the most memory.
    """

    target: Target
    layers: Mapping[str, Path]
    folder: Path
    postgres: str
    settings: Mapping[str, str]
    names: Mapping[str, str]
    film: bytes
    runs: dict[str, Run] = field(default_factory=dict)
    stages: dict[tuple[str, ...], Stage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runtime = self.folder / "runtime"
        lambda_service.copy_runtime(self.runtime)

    runtime: Path = field(init=False)

    def prove(self, name: str, stage: str, **changes: Any) -> Run:
        """Run a function with its sample event on a copy of a stage."""
        base = self.reach(stage)
        run = self._invoke(name, Stage(self._copy(base.database, name), base.names), changes)
        if name not in self.runs or run.peak > self.runs[name].peak:
            self.runs[name] = run
        return run

    def reach(self, stage: str) -> Stage:
        """Come to a stage, if nobody has been there yet."""
        return self._stage(STAGES[stage])

    def rows(self, name: str, query: str) -> list[Any]:
        """What a query finds in the database that a proof of the function left behind."""
        with psycopg.connect(self.url(f"proof_{name}")) as connection:
            return connection.execute(query).fetchall()

    def event(self, name: str, names: Mapping[str, str]) -> dict[str, Any]:
        """A function's sample event with the real names in it."""
        text = (EVENTS / f"{name}.json").read_text("utf-8")
        for sample, real in {**self.names, **names}.items():
            text = text.replace(sample, real)
        event: dict[str, Any] = json.loads(text)
        if "requestContext" in event:
            event["requestContext"]["identity"] |= _LET_IN
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

    def _invoke(self, name: str, stage: Stage, changes: Mapping[str, Any]) -> Run:
        opt = self.folder / "opt" / "-".join(layers_of(ROWS[name].needs))
        if not opt.is_dir():
            lambda_service.lay_out([self.layers[each] for each in layers_of(ROWS[name].needs)], opt)
        return lambda_service.run(
            name,
            {**self.event(name, stage.names), **changes},
            task=function(name),
            opt=opt,
            runtime=self.runtime,
            memory=ROWS[name].memory,
            timeout=ROWS[name].timeout,
            settings={
                "FACEDEX_MODELS": str(opt / "models"),
                "FACEDEX_DATABASE_URL": self.url(stage.database),
                **self.settings,
            },
        )

    def url(self, database: str) -> str:
        """The connection string of a database."""
        return psycopg.conninfo.make_conninfo(self.postgres, dbname=database)

    def _copy(self, database: str, name: str) -> str:
        copied = name if name.startswith("stage_") else f"proof_{name}"
        self._execute(f"DROP DATABASE IF EXISTS {copied} WITH (FORCE)")
        self._execute(f"CREATE DATABASE {copied} TEMPLATE {database}")
        return copied

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(statement)
