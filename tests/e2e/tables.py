"""Direct access to a running server's database, for tests that do not rely on the API's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from facedex_local.postgres.cluster import Postgres

if TYPE_CHECKING:
    from tests.conftest import Server


class Tables:
    """The tables of a server's embedded Postgres, read with SQL."""

    def __init__(self, server: Server) -> None:
        self._connection = psycopg.connect(Postgres(server.directory).url, autocommit=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._connection.execute(query.encode()).fetchall()

    def digests(self) -> dict[str, str | None]:
        """Return a digest of all rows of each table, by the table's name.

        Work on video changes its tables at any time, erasures and copies of galleries their own,
        and a refused request has a row in the audit log. These tables are left out, except for the
        number of video jobs and the columns of stream processors that users set. The row of a
        deleted processor disappears when its worker has ended.
        """
        names = [
            name
            for (name,) in self.rows(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename NOT LIKE 'video%'"
                " AND tablename NOT LIKE 'audit%' AND tablename NOT LIKE 'gallery%'"
                " AND tablename NOT IN ('stream_processors', 'erasures')"
                " ORDER BY tablename"
            )
        ]
        digest = sql.SQL("SELECT {}, md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {} AS t")
        query = sql.SQL(" UNION ALL ").join(
            digest.format(sql.Literal(name), sql.Identifier(name)) for name in names
        )
        ((jobs,),) = self.rows("SELECT count(*) FROM video_jobs")
        ((processors,),) = self.rows(
            "SELECT md5(string_agg(t::text, ' ' ORDER BY processor_key)) FROM ("
            " SELECT processor_key, name, video_stream_arn, data_stream_arn, role_arn,"
            " collection_id, threshold, data_sharing, run FROM stream_processors"
            " WHERE deleted_at IS NULL) AS t"
        )
        return {
            **dict(self._connection.execute(query).fetchall()),
            "video_jobs": str(jobs),
            "stream_processors": processors,
        }

    def close(self) -> None:
        self._connection.close()
