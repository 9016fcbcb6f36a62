"""The start of a server process: model pack, database, code."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facedex_local import environment, shutdown
from facedex_local.http import routes
from facedex_local.postgres import connecting
from facedex_local.start_errors import SettingsUnusable

if TYPE_CHECKING:
    from facedex.store.access_keys import Credentials

Downloads = Callable[[], AbstractContextManager[Callable[[str, int, int], None]]]


class Health:
    """The state of the parts, as ``GET /health`` reports it.

    Attributes:
        model_version: the default pack's model version, empty until the pack is loaded.
    """

    def __init__(self) -> None:
        self.model_version = ""

    def __call__(self) -> dict[str, Any]:
        """Return the state of each part."""
        from facedex.runtime import model_packs, services
        from facedex.store.store_errors import DatabaseUnavailable

        disk = services.disk()
        shortage = disk.shortage() if disk else None
        try:
            services.database().ping()
        except DatabaseUnavailable as error:
            status, database = "down", f"down: {error}"
        else:
            # Reads are still answered.
            status, database = "full" if shortage else "ok", "ok"
        return {
            "status": status,
            "database": database,
            "disk": shortage or "ok",
            "models": self.model_version,
            "packs": dict(model_packs.shelf().installed()),
            "version": version("facedex"),
        }


def pull_pack(name: str, downloads: Downloads) -> Path:
    """Return a pack's directory, after pulling the pack if it is missing, damaged or outdated.

    Raises:
        ModelError: if the pack cannot be installed.
    """
    from facedex_models import installing, manifests

    installing.refresh()
    if found := installing.current(manifests.manifest(name)):
        return found
    with downloads() as report:
        return installing.pull(name, progress=report)


def connector(url: str) -> Callable[[], str]:
    """Return a function that checks the connection to the user's own database."""
    return partial(connecting.check, url)


def prepare_database(start: Callable[[], str]) -> str:
    """Start the database, and migrate it to this version's schema.

    Args:
        start: starts the database and returns its address.

    Returns:
        The address.

    Raises:
        DatabaseFailed: if the database cannot be started or reached.
        StoreError: if the migration fails.
    """
    url = start()
    from facedex.store.database import Database
    from facedex.store.schema import migrate

    database = Database(url, region=environment.region())
    try:
        migrate(database)
    finally:
        database.close()
    return url


def require_aws_settings() -> None:
    """Check that AWS's settings on this machine can be read, which every client of S3 needs.

    Raises:
        SettingsUnusable: if the profile does not exist, or a file is damaged.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError

    try:
        botocore.session.get_session().get_scoped_config()
    except BotoCoreError as error:
        raise SettingsUnusable(
            f"The AWS settings are not valid: {error}; correct or unset AWS_PROFILE and"
            " AWS_CONFIG_FILE."
        ) from None


def require_keys_secret() -> None:
    """Check that this server can decrypt the access keys that other servers have created.

    Raises:
        SettingError: if there is no secret.
        WrongKeysSecret: if the keys were encrypted under another secret.
    """
    from facedex.runtime import services
    from facedex.secret_sources import read_keys_secret
    from facedex.settings import settings
    from facedex.store import access_keys
    from facedex.store.encryption import Cipher

    cipher = Cipher(read_keys_secret(settings().keys_secret))
    with services.database().reading() as connection:
        access_keys.require_readable(connection, cipher)


def find_key(access_key_id: str) -> Credentials | None:
    """Return the active access key of that id, or None."""
    from facedex.runtime import services

    return services.keyring().find(access_key_id)


def load_code() -> str:
    """Import every handler and load the default pack, so that the first request is fast.

    Returns:
        The pack's model version.
    """
    from facedex.api.catalog import OPERATIONS
    from facedex.runtime import handlers, model_packs
    from facedex.settings import Settings

    unset = {"FACEDEX_DATABASE_URL": "not known yet"}
    current = Settings.from_environment({**unset, **os.environ})
    loaded = model_packs.shelf(current).named(current.pack, threads=current.threads)
    loaded.open()
    for function in (routes.FRONT_DOOR, *(row.function for row in OPERATIONS.values())):
        handlers.load(function)
    return loaded.model_version


def close_database() -> None:
    """Close this process's connections to the database, and send its last spans."""
    from facedex.runtime import reporting, services

    shutdown.run("sending traces", reporting.stop)
    shutdown.run("closing the database", services.database().close)
