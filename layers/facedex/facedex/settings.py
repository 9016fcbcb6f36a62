"""Settings of a process, read once from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

# The pack that new collections are made with where no setting and no tag names another.
DEFAULT_PACK: Final = "sface-dlib"

# The account and region of ARNs and queue addresses on one machine: those of moto, and those that
# AWS's own documentation uses. On Lambda the environment names the real ones.
DEFAULT_ACCOUNT: Final = "123456789012"
DEFAULT_REGION: Final = "us-east-1"


class SettingError(RuntimeError):
    """A setting is missing or cannot be read; the message says which and what it takes."""


class Auth(StrEnum):
    """Who may call.

    ``none``: anybody, with any credentials or none. ``keys``: whoever signs with an access key of
    the product. ``iam``: whom API Gateway's own IAM authorizer has let through.
    """

    NONE = "none"
    KEYS = "keys"
    IAM = "iam"


class DatabaseAuth(StrEnum):
    """How a function proves to the database who it is.

    ``password``: as the connection string says. ``iam``: with a token of RDS, signed with the
    function's own credentials, for every new connection.
    """

    PASSWORD = "password"  # noqa: S105 - a way, not a password
    IAM = "iam"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function needs to know of its surroundings.

    Attributes:
        database_url: libpq connection string of the Postgres database.
        models: directory that holds the model packs, a folder each.
        pack: name of the default pack: of new collections that ask for no other, and of
            operations without a collection.
        loaded_packs: packs that a process keeps loaded; beyond it the least recently used goes.
        threads: ONNX Runtime threads that work on one request.
        detection_side: longest side, in pixels, of the picture that the detector sees.
        max_pixels: pictures with more pixels than this are refused unread.
        connections: most database connections of one process.
        statement_timeout: seconds after which Postgres gives up a statement.
        database_patience: seconds for which a connection is waited for, while an invocation has
            them: a paused database takes fifteen to wake.
        database_pooled: connections go through a proxy that shares them out; then the role has to
            have its timeouts.
        account, region: for ARNs, where the request itself does not say.
        auth: who may call.
        keys_secret: what the access keys' secrets are encrypted under: the text itself, or
            ``file:PATH``, or ``secretsmanager:ARN``; empty where there are no access keys.
        keys_cache: seconds for which an access key is used without another look at it.
        database_auth: how connections to the database are authenticated.
        log_names: whether the log may hold names of buckets, objects and collections.
        topics: ARNs of the SNS topics that callers may have jobs announced to; None for any.
        uploads_queue: URL of the queue that uploads come from: one that has to wait for something
            is put there again; without it, it is left to the queue to deliver it again.
        uploads_dead_letters: URL of the queue for uploads that can never be indexed; empty where
            there are no uploads.
        uploads_delete_faces: whether an uploaded object that is deleted or replaced takes its
            faces with it.
        video_queue: URL of the queue that the work on stored video goes through; empty where
            there is none.
        video_rate: frames a second of a video that are looked at, at most.
        video_segment: seconds of a video that one worker takes at a time.
        video_jobs: video jobs that may be under way at once.
        video_timeout: seconds without progress after which a video job fails.
        video_expiry: days for which a video job and its results are kept.
        worker: who this process is to whoever watches over it and tells when it is dead; None
            where nobody does.
        stream_queue: URL of the queue that stream processors find their workers through; empty
            where there is none.
        stream_processors: stream processors that there may be.
        stream_rate: frames a second of a stream that are looked at, at most.
        stream_seconds: for which a worker has a stream before it hands it over.
        stream_behind: seconds behind live from which a worker goes on at live.
        rtsp_hosts: cameras that stream processors may read, as ``HOST`` or ``HOST:PORT``.
        rtsp_credentials: how to sign in there: ``USER:PASSWORD@HOST``.
    """

    database_url: str
    models: Path
    pack: str
    threads: int
    detection_side: int
    max_pixels: int
    connections: int
    statement_timeout: int
    account: str
    region: str
    auth: Auth
    keys_secret: str = field(default="", repr=False)
    keys_cache: int = 30
    database_auth: DatabaseAuth = DatabaseAuth.PASSWORD
    database_patience: int = 3
    database_pooled: bool = False
    log_names: bool = False
    topics: frozenset[str] | None = None
    loaded_packs: int = 2
    uploads_queue: str = ""
    uploads_dead_letters: str = ""
    uploads_delete_faces: bool = False
    video_queue: str = ""
    video_rate: int = 5
    video_segment: int = 30
    video_jobs: int = 200
    video_timeout: int = 3600
    video_expiry: int = 7
    worker: UUID | None = None
    stream_queue: str = ""
    stream_processors: int = 100
    stream_rate: int = 5
    stream_seconds: int = 840
    stream_behind: int = 20
    rtsp_hosts: tuple[str, ...] = ()
    rtsp_credentials: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from ``FACEDEX_*`` and ``AWS_REGION``.

        Raises:
            SettingError: a required one is missing or one has the wrong form.
        """
        read = _Reader(environment)
        return cls(
            database_url=read.text("FACEDEX_DATABASE_URL"),
            models=Path(read.text("FACEDEX_MODELS")),
            pack=read.text("FACEDEX_PACK", DEFAULT_PACK),
            loaded_packs=read.whole("FACEDEX_LOADED_PACKS", 2),
            threads=read.whole("FACEDEX_THREADS", min(2, os.cpu_count() or 1)),
            detection_side=read.whole("FACEDEX_DETECTION_SIDE", 1280),
            max_pixels=read.whole("FACEDEX_MAX_PIXELS", 64_000_000),
            connections=read.whole("FACEDEX_CONNECTIONS", 8),
            statement_timeout=read.whole("FACEDEX_STATEMENT_TIMEOUT", 20),
            account=read.text("FACEDEX_ACCOUNT", DEFAULT_ACCOUNT),
            region=read.text("AWS_REGION", DEFAULT_REGION),
            auth=read.auth("FACEDEX_AUTH"),
            keys_secret=environment.get("FACEDEX_KEYS_SECRET", ""),
            keys_cache=read.whole("FACEDEX_KEYS_CACHE", 30),
            database_auth=read.database_auth("FACEDEX_DATABASE_AUTH"),
            database_patience=read.whole("FACEDEX_DATABASE_PATIENCE", 3),
            database_pooled=read.flag("FACEDEX_DATABASE_POOLED"),
            log_names=read.flag("FACEDEX_LOG_NAMES"),
            topics=read.topics("FACEDEX_TOPICS"),
            uploads_queue=environment.get("FACEDEX_UPLOADS_QUEUE", ""),
            uploads_dead_letters=environment.get("FACEDEX_UPLOADS_DEAD_LETTERS", ""),
            uploads_delete_faces=read.flag("FACEDEX_UPLOADS_DELETE_FACES"),
            video_queue=environment.get("FACEDEX_VIDEO_QUEUE", ""),
            video_rate=read.whole("FACEDEX_VIDEO_RATE", 5),
            video_segment=read.whole("FACEDEX_VIDEO_SEGMENT", 30),
            video_jobs=read.whole("FACEDEX_VIDEO_JOBS", 200),
            video_timeout=read.whole("FACEDEX_VIDEO_TIMEOUT", 3600),
            video_expiry=read.whole("FACEDEX_VIDEO_EXPIRY", 7),
            worker=read.identity("FACEDEX_WORKER"),
            stream_queue=environment.get("FACEDEX_STREAM_QUEUE", ""),
            stream_processors=read.whole("FACEDEX_STREAM_PROCESSORS", 100),
            stream_rate=read.whole("FACEDEX_STREAM_RATE", 5),
            stream_seconds=read.whole("FACEDEX_STREAM_SECONDS", 840),
            stream_behind=read.whole("FACEDEX_STREAM_BEHIND", 20),
            rtsp_hosts=read.several("FACEDEX_RTSP_HOSTS"),
            rtsp_credentials=read.several("FACEDEX_RTSP_CREDENTIALS"),
        )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str | None = None) -> str:
        value = self._environment.get(name) or default
        if value is None:
            raise SettingError(f"The environment variable {name} is not set.")
        return value

    def whole(self, name: str, default: int) -> int:
        value = self._environment.get(name)
        if not value:
            return default
        if not value.isdecimal() or int(value) < 1:
            raise SettingError(f"{name} must be a whole number of at least 1, not {value!r}.")
        return int(value)

    def several(self, name: str) -> tuple[str, ...]:
        parts = self._environment.get(name, "").split(",")
        return tuple(part.strip() for part in parts if part.strip())

    def identity(self, name: str) -> UUID | None:
        value = self._environment.get(name)
        try:
            return UUID(value) if value else None
        except ValueError:
            raise SettingError(f"{name} must be a UUID, not {value!r}.") from None

    def flag(self, name: str) -> bool:
        value = self._environment.get(name) or "false"
        if value not in ("true", "false"):
            raise SettingError(f"{name} must be true or false, not {value!r}.")
        return value == "true"

    def topics(self, name: str) -> frozenset[str] | None:
        value = self._environment.get(name)
        if not value:
            return None
        # An empty value says nothing, so that none at all needs a word.
        return frozenset() if value == "none" else frozenset(value.split(","))

    def auth(self, name: str) -> Auth:
        # No default: a deployment that forgot to say who may call is shut, not open.
        return self._one_of(Auth, name, self.text(name))

    def database_auth(self, name: str) -> DatabaseAuth:
        return self._one_of(DatabaseAuth, name, self.text(name, DatabaseAuth.PASSWORD))

    def _one_of(self, choices: type[_Choice], name: str, value: str) -> _Choice:
        try:
            return choices(value)
        except ValueError:
            raise SettingError(
                f"{name} must be one of {', '.join(choices)}, not {value!r}."
            ) from None


_Choice = TypeVar("_Choice", bound=StrEnum)

_FILE: Final = "file:"
_SECRETS_MANAGER: Final = "secretsmanager:"
_SHORTEST_SECRET: Final = 32  # characters: 192 bits of base64


def read_keys_secret(source: str) -> str:
    """What the access keys' secrets are encrypted under, from where the setting says.

    Args:
        source: the value of ``FACEDEX_KEYS_SECRET``: the text itself, ``file:PATH``, or
            ``secretsmanager:ARN`` of a secret of AWS Secrets Manager.

    Raises:
        SettingError: there is none, it cannot be read, or it is too short to be one.
    """
    secret = source.strip()
    if secret.startswith(_FILE):
        path = Path(secret.removeprefix(_FILE))
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise SettingError(f"FACEDEX_KEYS_SECRET names {path}, which cannot be read.") from None
    elif secret.startswith(_SECRETS_MANAGER):
        secret = _secret_of(secret.removeprefix(_SECRETS_MANAGER))
    if len(secret) < _SHORTEST_SECRET:
        raise SettingError(
            f"FACEDEX_KEYS_SECRET must have at least {_SHORTEST_SECRET} random characters, such as"
            " those of: openssl rand -base64 32"
        )
    return secret


def _secret_of(arn: str) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Without a way to Secrets Manager, a call would otherwise hang for minutes.
    hasty = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
    try:
        client = boto3.client("secretsmanager", config=hasty)
        secret: str = client.get_secret_value(SecretId=arn).get("SecretString", "")
    except (BotoCoreError, ClientError) as error:
        raise SettingError(
            f"FACEDEX_KEYS_SECRET names the secret {arn}, which cannot be read: {error}"
        ) from error
    return secret.strip()


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(os.environ)
