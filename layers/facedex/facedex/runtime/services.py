"""Services that a process provides to its handlers: created on first use, and then kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from facedex import invocation
from facedex.api.arns import Owner, signed_region
from facedex.api.errors import InvalidParameterException
from facedex.api.pages import LARGEST_PAGE, Page, PageTokens
from facedex.settings import DatabaseAuth, Settings, read_keys_secret, settings
from facedex.store.database import Database
from facedex.store.disk import Disk
from facedex.store.iam import iam_password

if TYPE_CHECKING:
    from facedex.store.collections import Collection
    from facedex.store.keyring import KeyRing
    from facedex.vision.packs import Pack
    from facedex.vision.shelf import Shelf

# Seconds of an invocation reserved for its work and its response, after it has got a connection.
_SPARE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one request.

    Attributes:
        owner: account and region of the ARNs in the response.
    """

    owner: Owner

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return settings()

    @property
    def database(self) -> Database:
        """The database of this process."""
        return database()

    @property
    def pack(self) -> Pack:
        """The default model pack; its networks are loaded on first use."""
        return pack()

    def pack_of(self, collection: Collection) -> Pack:
        """Return the model pack that made a collection's vectors.

        Raises:
            InvalidParameterException: if the pack is not installed here.
            PackMissing: if the pack cannot be used.
        """
        return pack_of(collection)

    @property
    def installed_packs(self) -> Mapping[str, str]:
        """The FaceModelVersion of each installed pack, by name."""
        return shelf().installed()

    def pack_for(self, model_version: str) -> Pack:
        """Return the installed model pack whose vectors have this FaceModelVersion.

        Raises:
            PackNotInstalled: if the pack is not installed here.
            PackMissing: if the pack cannot be used.
        """
        return pack_for(model_version)

    def pack_named(self, name: str) -> Pack:
        """Return the installed model pack of that name.

        Raises:
            PackMissing: if the pack cannot be used.
        """
        return shelf().named(name, threads=_threads())

    def page(self, request: Mapping[str, Any], *listing: str, largest: int = LARGEST_PAGE) -> Page:
        """Return the page of a listing that a request asks for.

        Args:
            request: the request, in the service model's names.
            listing: names of the listing and its filters.
            largest: maximum number of items on a page, and the number without MaxResults.
        """
        return Page(request, PageTokens(self.database.signing_secret, *listing), largest=largest)


def owner(account: str | None = None, authorization: str = "") -> Owner:
    """Return the account and region that own the resources of a request.

    Args:
        account: the account that API Gateway names in the event; if it names none, the setting is
            used.
        authorization: the request's Authorization header; its region takes precedence over the
            setting.
    """
    current = settings()
    return Owner(account or current.account, signed_region(authorization) or current.region)


# Requests run in parallel threads: without this lock, two first requests would each load the packs.
_making = Lock()


def database() -> Database:
    """Return the database of this process."""
    with _making:
        return _database()


def keyring() -> KeyRing:
    """Return the access keys of this process."""
    with _making:
        return _keyring()


def pack() -> Pack:
    """Return the default model pack."""
    return shelf().named(settings().pack, threads=_threads())


def pack_of(collection: Collection) -> Pack:
    """Return the model pack that made a collection's vectors.

    Raises:
        InvalidParameterException: if the pack is not installed here.
        PackMissing: if the pack cannot be used.
    """
    from facedex.vision.vision_errors import PackNotInstalled

    try:
        return pack_for(collection.model_version)
    except PackNotInstalled as error:
        raise InvalidParameterException(
            f"The collection {collection.collection_id} was made with {error.what}, which is not"
            f" installed here; {error.remedy}. `facedex collections upgrade` moves a collection to"
            " another pack."
        ) from error


def pack_for(model_version: str) -> Pack:
    """Return the model pack whose vectors have this FaceModelVersion.

    Raises:
        PackNotInstalled: if the pack is not installed here.
        PackMissing: if the pack cannot be used.
    """
    return shelf().of_version(model_version, threads=_threads())


def shelf(current: Settings | None = None) -> Shelf:
    """Return the model packs of this process.

    Args:
        current: the settings to use if the environment does not have all of them yet.
    """
    current = current or settings()
    with _making:
        return _shelf(current.models, current.loaded_packs)


def disk() -> Disk | None:
    """Return the disk of a database on this machine, or None if the database is elsewhere."""
    current = settings()
    return Disk(Path(current.disk), current.disk_reserve << 20) if current.disk else None


def _threads() -> int:
    """Return how many threads process an invocation's image.

    While other invocations are running, each has one thread, whatever the setting: several images
    with one thread each take less time than the same images with threads that compete for cores.
    """
    return settings().threads if invocation.under_way() < 2 else 1


@cache
def _database() -> Database:
    current = settings()
    by_token = current.database_auth is DatabaseAuth.IAM
    return Database(
        current.database_url,
        password=iam_password(current.database_url, region=current.region) if by_token else None,
        connections=current.connections,
        statement_timeout=current.statement_timeout,
        patience=lambda: min(current.database_patience, invocation.remaining() - _SPARE),
        pooled=current.database_pooled,
        disk=disk(),
    )


@cache
def _keyring() -> KeyRing:
    from facedex.store.access_keys import unstored
    from facedex.store.encryption import Cipher
    from facedex.store.keyring import KeyRing

    current = settings()
    cipher = Cipher(read_keys_secret(current.keys_secret))
    own = unstored(*current.own_key.split(":", 1)) if current.own_key else None
    return KeyRing(_database(), cipher, seconds=current.keys_cache, own=own)


@cache
def _shelf(models: Path, limit: int) -> Shelf:
    # Imported here: functions that need no pack need no NumPy either.
    from facedex.vision.shelf import Shelf

    return Shelf(models, limit=limit)
