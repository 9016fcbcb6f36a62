"""A user's own Postgres: a role with a password, in a database that an administrator prepared."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from facedex_local.postgres.cluster import Postgres

_PAGE = Path(__file__).parents[1] / "docs" / "own-database.md"


@dataclass
class OwnDatabase:
    """A database in a cluster, and a role that needs its password.

    Attributes:
        cluster: the cluster.
        role: name of the role, and of its database.
        password: the role's password.
    """

    cluster: Postgres
    role: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def prepare(self, *, extension: bool = True, rights: bool = True) -> None:
        """Do what docs/own-database.md asks of an administrator.

        Args:
            extension: whether to create the extension.
            rights: whether to grant the rights.
        """
        left_out = {"CREATE EXTENSION": not extension, "GRANT": not rights}
        before, _, after = _statements().partition("\\connect faces")
        for text, in_own in ((before, False), (after, True)):
            for statement in filter(None, map(str.strip, text.split(";"))):
                if not any(statement.startswith(kind) for kind, skip in left_out.items() if skip):
                    named = re.sub(r"\b(facedex|faces)\b", self.role, statement)
                    self.run(named, in_own=in_own)
        self.change_password(self.password)
        self._require_password()

    def change_password(self, password: str) -> None:
        """Give the role another password, and end its connections, as a restart would."""
        with psycopg.connect(self.cluster.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(self.role), sql.Literal(password)
                )
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = %s",
                (self.role,),
            )
        self.password = password

    def run(self, statement: str, *, in_own: bool = True) -> list[tuple[object, ...]]:
        """Execute a statement as an administrator; return its rows."""
        changed = {"dbname": self.role} if in_own else {}
        url = psycopg.conninfo.make_conninfo(self.cluster.url, **changed)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def drop(self) -> None:
        """Remove the database and the role."""
        self.run(f"DROP DATABASE {self.role} WITH (FORCE)", in_own=False)
        self.run(f"DROP ROLE {self.role}", in_own=False)

    def _require_password(self) -> None:
        ((path,),) = self.run("SHOW hba_file", in_own=False)
        rules = Path(str(path))
        rules.write_text(f"local all {self.role} scram-sha-256\n{rules.read_text()}")
        self.run("SELECT pg_reload_conf()", in_own=False)


def _statements() -> str:
    """Return the statements that the page shows."""
    found = re.search(r"```sql\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]
