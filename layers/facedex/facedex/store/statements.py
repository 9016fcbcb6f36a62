"""Short names of SQL statements, for traces."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Keywords are in upper case in this package, names in lower case.
_VERB: Final = re.compile(r"\b(?!WITH\b|RECURSIVE\b|AS\b)[A-Z]+\b")
# Not the name of a function, as in "FROM unnest(…)" or "extract(epoch FROM now())".
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+([a-z_]+)\b(?!\()")


@lru_cache(1024)
def summarise(statement: str) -> tuple[str, str]:
    """Return a statement's first verb and its first table, such as ("SELECT", "faces").

    Either is empty if there is none. Values and parameters are never part of it.
    """
    verb = _VERB.search(statement)
    table = _TABLE.search(statement)
    return verb[0] if verb else "", table[1] if table else ""
