"""Settings of a process, read once from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class SettingError(RuntimeError):
    """A setting is missing or cannot be read; the message says which and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function needs to know of its surroundings.

    Attributes:
        database_url: libpq connection string of the Postgres database.
        models: directory that holds the model packs, a folder each.
        pack: name of the pack that new collections are made with.
        threads: ONNX Runtime threads that work on one request.
        detection_side: longest side, in pixels, of the picture that the detector sees.
        max_pixels: pictures with more pixels than this are refused unread.
        connections: most database connections of one process.
        statement_timeout: seconds after which Postgres gives up a statement.
        account, region: for ARNs, where the request itself does not say.
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
            pack=read.text("FACEDEX_PACK", "dlib"),
            threads=read.whole("FACEDEX_THREADS", min(2, os.cpu_count() or 1)),
            detection_side=read.whole("FACEDEX_DETECTION_SIDE", 1024),
            max_pixels=read.whole("FACEDEX_MAX_PIXELS", 64_000_000),
            connections=read.whole("FACEDEX_CONNECTIONS", 8),
            statement_timeout=read.whole("FACEDEX_STATEMENT_TIMEOUT", 20),
            account=read.text("FACEDEX_ACCOUNT", "123456789012"),
            region=read.text("AWS_REGION", "us-east-1"),
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


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(os.environ)
