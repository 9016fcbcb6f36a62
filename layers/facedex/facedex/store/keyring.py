"""Access keys kept in the process for a moment, so that a signature costs no database query."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from facedex.store import access_keys
from facedex.store.access_keys import Credentials
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.store.errors import AccessKeyNotFound
from facedex.store.ttl_cache import TTLCache

_MOST: Final = 1000  # keys


class KeyRing:
    """The keys that work.

    A key that is disabled or deleted stops working everywhere within ``seconds``. Keys that do
    not work are not remembered, so that a new or enabled one works at once.

    Args:
        database: where the keys are.
        cipher: under which their secrets are stored.
        seconds: for how long a key is used without another look into the database.
        clock: tells seconds.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        *,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._kept: TTLCache[Credentials] = TTLCache(seconds=seconds, limit=_MOST, clock=clock)

    def find(self, access_key_id: str) -> Credentials | None:
        """The key of that id, or None if there is none or it is disabled.

        Raises:
            DatabaseUnavailable: it could not be looked up.
            WrongKeysSecret: its secret cannot be read.
        """
        return self._kept.find(access_key_id, lambda: self._look_up(access_key_id))

    def _look_up(self, access_key_id: str) -> Credentials | None:
        try:
            with self._database.transaction() as connection:
                found = access_keys.read(connection, self._cipher, access_key_id)
        except AccessKeyNotFound:
            return None
        return None if found.key.disabled_at else found
