"""Access keys cached in the process, so that checking a signature needs no database query."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from facedex.store import access_keys
from facedex.store.access_keys import Credentials
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.store.store_errors import AccessKeyNotFound
from facedex.store.ttl_cache import TTLCache

_MAX_CACHED: Final = 1000  # keys


class KeyRing:
    """The enabled access keys.

    A key that is disabled or deleted stops working everywhere within ``seconds``. Unknown and
    disabled keys are not cached, so that a new or enabled one works at once.

    Args:
        database: the database that stores the keys.
        cipher: decrypts their secrets.
        seconds: seconds for which a key is used without another query.
        own: a further key that the database does not contain.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        *,
        seconds: float,
        own: Credentials | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._own = own
        self._kept: TTLCache[Credentials] = TTLCache(
            seconds=seconds, limit=_MAX_CACHED, clock=clock
        )

    def find(self, access_key_id: str) -> Credentials | None:
        """Return the key of that id, or None if there is none or it is disabled.

        Raises:
            DatabaseUnavailable: if the database does not answer.
            WrongKeysSecret: if its secret cannot be decrypted.
        """
        if self._own and access_key_id == self._own.key.access_key_id:
            return self._own
        return self._kept.find(access_key_id, lambda: self._look_up(access_key_id))

    def _look_up(self, access_key_id: str) -> Credentials | None:
        try:
            with self._database.reading() as connection:
                found = access_keys.read(connection, self._cipher, access_key_id)
        except AccessKeyNotFound:
            return None
        return None if found.key.disabled_at else found
