"""The database's password in a secret of AWS Secrets Manager, read again after a rotation."""

from __future__ import annotations

import json
from threading import Lock

from facedex.secret_sources import read_secret
from facedex.setting_reader import SettingError

SETTING = "FACEDEX_DATABASE_SECRET"


class DatabaseSecret:
    """The password of a database role.

    Args:
        arn: ARN of the secret. Its text is the password, or a JSON object with the member
            ``password``, as RDS writes it.
        user: the role that connects.
    """

    def __init__(self, arn: str, user: str) -> None:
        self._arn = arn
        self._user = user
        self._password: str | None = None
        self._reading = Lock()

    def current(self) -> str:
        """Return the password; it is read on first use, and then kept.

        Raises:
            SettingError: if the secret cannot be read, or is not the role's password.
        """
        with self._reading:
            if self._password is None:
                self._password = self._read()
            return self._password

    def renewed(self, refused: str) -> str | None:
        """Return another password than one that the database has refused.

        Returns:
            None if the secret still contains the refused password.

        Raises:
            SettingError: as in :meth:`current`.
        """
        with self._reading:
            if self._password == refused:  # no other thread has read the secret since
                self._password = self._read()
            return None if self._password == refused else self._password

    def _read(self) -> str:
        text = read_secret(self._arn, SETTING)
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        # A password may consist of digits, which are JSON too.
        password = document.get("password") if isinstance(document, dict) else text
        if not password or not isinstance(password, str):
            raise SettingError(
                f"The secret {self._arn}, which {SETTING} names, has no password: it must be the"
                ' password itself, or a JSON object with the text "password".'
            )
        if isinstance(document, dict) and document.get("username") not in (None, "", self._user):
            raise SettingError(
                f"The secret {self._arn}, which {SETTING} names, is of another role than"
                f" {self._user}; rotation that alternates between two roles is not supported."
            )
        return password
