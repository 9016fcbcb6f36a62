"""The Postgres of ``compose.yaml`` keeps what was deleted no longer than the embedded one."""

from __future__ import annotations

import re
from pathlib import Path

from facedex_local.postgres.options import OPTIONS

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
# What docs/deletion.md asks of a Postgres of one's own.
PRIVATE = (
    "wal_recycle",
    "log_min_messages",
    "log_min_error_statement",
    "log_error_verbosity",
    "log_parameter_max_length_on_error",
)


def test_its_postgres_has_the_options_that_deletion_needs() -> None:
    chosen = dict(re.findall(r"^ +- -c(\w+)=(\w+)$", COMPOSE.read_text("utf-8"), re.MULTILINE))
    assert chosen == {name: OPTIONS[name] for name in PRIVATE}
