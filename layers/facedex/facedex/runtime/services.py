"""Services that a process provides to its handlers: created on first use, and then kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from facedex import invocation
from facedex.api.arns import Owner
from facedex.api.errors import InvalidSignatureException
from facedex.api.pages import Page, PageTokens, largest_page
from facedex.runtime import model_packs
from facedex.secret_sources import read_keys_secret
from facedex.settings import DatabaseAuth, Settings, settings
from facedex.store.database import Database
from facedex.store.disk import Disk
from facedex.store.iam import IamTokens

if TYPE_CHECKING:
    from facedex.runtime.rate import RateLimit
    from facedex.store.audit import Trail
    from facedex.store.collections import Collection
    from facedex.store.keyring import KeyRing
    from facedex.store.passwords import Passwords
    from facedex.store.residents import Residents
    from facedex.vision.packs import Pack

# Seconds of an invocation reserved for its work and its response, after it has got a connection.
_SPARE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one request.

    Attributes:
        owner: account and region of the request: no other region's collections are seen.
        trail: the request's row of the audit log, which its first transaction writes.
    """

    owner: Owner
    trail: Trail | None = None

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return settings()

    @property
    def database(self) -> Database:
        """The database of this process, with the names of the request's region."""
        return database().in_region(self.owner.region).recording(self.trail)

    def touch(self, faces: Iterable[object] | None = None, **members: str | None) -> None:
        """Note in the audit log which faces and other records the request changes.

        Call it in the transaction of the change. See :meth:`Trail.touch`.
        """
        if self.trail:
            self.trail.touch(faces, **members)

    @property
    def pack(self) -> Pack:
        """The default model pack; its networks are loaded on first use."""
        return model_packs.pack()

    def pack_of(self, collection: Collection) -> Pack:
        """Return the model pack that made a collection's vectors.

        Raises:
            InvalidParameterException: if the pack is not installed here.
            PackMissing: if the pack cannot be used.
        """
        return model_packs.pack_of(collection)

    @property
    def installed_packs(self) -> Mapping[str, str]:
        """The FaceModelVersion of each installed pack, by name."""
        return model_packs.shelf().installed()

    def pack_for(self, model_version: str) -> Pack:
        """Return the installed model pack whose vectors have this FaceModelVersion.

        Raises:
            PackNotInstalled: if the pack is not installed here.
            PackMissing: if the pack cannot be used.
        """
        return model_packs.pack_for(model_version)

    def pack_named(self, name: str) -> Pack:
        """Return the installed model pack of that name.

        Raises:
            PackMissing: if the pack cannot be used.
        """
        return model_packs.pack_named(name)

    def page(self, request: Mapping[str, Any], operation: str, *filters: str) -> Page:
        """Return the page of an operation's list that a request asks for.

        Args:
            request: the request, in the service model's names.
            operation: name of the operation.
            filters: what else identifies the list; its tokens are valid for no other.
        """
        database = self.database
        tokens = PageTokens(database.signing_secret, database.region, operation, *filters)
        return Page(request, tokens, largest=largest_page(operation))


def owner(account: str | None = None, region: str | None = None) -> Owner:
    """Return the account and region that own the resources of a request.

    Args:
        account: the account that API Gateway names in the event; if it names none, the setting is
            used.
        region: the region that the request is signed for; None for the setting, as in a request
            that is not signed.

    Raises:
        InvalidSignatureException: if the process serves only the region of the setting, and the
            request is signed for another.
    """
    current = settings()
    region = region or current.region
    if region != current.region and not current.all_regions:
        # In AWS's words, except for the last clause.
        raise InvalidSignatureException(
            f"Credential should be scoped to a valid region, not '{region}'; this service is in"
            f" {current.region}."
        )
    return Owner(account or current.account, region)


# Requests run in parallel threads: without this lock, two first requests would each connect.
_making = Lock()


def database() -> Database:
    """Return the database of this process."""
    with _making:
        return _database()


def keyring() -> KeyRing:
    """Return the access keys of this process."""
    with _making:
        return _keyring()


def rate_limit() -> RateLimit | None:
    """Return the limit on the rate of requests, or None if the settings have none."""
    with _making:
        return _rate_limit()


def disk() -> Disk | None:
    """Return the disk of a database on this machine, or None if the database is elsewhere."""
    current = settings()
    return Disk(Path(current.disk), current.disk_reserve << 20) if current.disk else None


@cache
def _database() -> Database:
    current = settings()
    made = Database(
        current.database_url,
        passwords=_passwords(current),
        connections=current.connections,
        statement_timeout=current.statement_timeout,
        patience=lambda: min(current.database_patience, invocation.remaining() - _SPARE),
        pooled=current.database_pooled,
        region=current.region,
        disk=disk(),
    )
    if current.gallery_memory:
        made.residents = _residents(made, current)
    return made


def _residents(database: Database, current: Settings) -> Residents:
    """Return the copies of galleries; a function on Lambda is frozen between requests."""
    # Imported here, as some functions and processes have no copies.
    if current.deployment:
        from facedex.store.intermittent import IntermittentResidents

        return IntermittentResidents(current.gallery_memory << 20)
    from facedex.store.continuous import ContinuousResidents

    return ContinuousResidents(
        database, current.gallery_memory << 20, directory=current.gallery_directory
    )


def _passwords(current: Settings) -> Passwords | None:
    url = current.database_url
    if current.database_auth is DatabaseAuth.IAM:
        return IamTokens(url, region=current.region)
    if not current.database_secret:
        return None
    # Imported here, as most functions connect with tokens.
    from psycopg.conninfo import conninfo_to_dict

    from facedex.aws.database_secret import DatabaseSecret

    return DatabaseSecret(current.database_secret, str(conninfo_to_dict(url).get("user") or ""))


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
def _rate_limit() -> RateLimit | None:
    current = settings()
    if current.rate is None or current.rate_file is None:
        return None
    # Imported here, as deployed functions have no limit.
    from facedex.runtime.rate import RateLimit

    return RateLimit(current.rate, current.rate_file)
