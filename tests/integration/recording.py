"""The statements that the store sends to Postgres, with the functions that send them."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from facedex.store import pool

STORE = Path(inspect.getfile(pool)).parent
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?s|%%")
_SENDS = ("execute", "executemany")


@dataclass(frozen=True)
class Sent:
    """A statement.

    Attributes:
        text: the statement, with its parameters as ``$1``, ``$2``, ...
        values: the parameters' values.
        entry: the function of the store that was called, as ``module.function``.
        place: module and line of the call that sent the statement.
    """

    text: str
    values: Sequence[object]
    entry: str
    place: tuple[str, int]


class Recorder(psycopg.Cursor[Any]):
    """A cursor that keeps what it executes."""

    sent: ClassVar[list[Sent]] = []

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Execute a statement."""
        self._keep(query, params)
        return super().execute(query, params, **options)

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> Any:
        """Execute a statement with several rows of values."""
        rows = list(params_seq)
        for row in rows:
            self._keep(query, row)
        return super().executemany(query, rows, **options)

    def _keep(self, query: Any, params: Any) -> None:
        frames = [each for each in _frames() if each[0] != "connection"]
        if frames:
            text = query if isinstance(query, str) else query.as_string(self)
            entry = f"{frames[-1][0]}.{frames[-1][1]}"
            self.sent.append(Sent(*_numbered(text, params), entry, (frames[0][0], frames[0][2])))


@contextmanager
def recorded() -> Iterator[list[Sent]]:
    """Keep the statements of all databases that are opened in the block."""
    Recorder.sent.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pool._OPTIONS, "cursor_factory", Recorder)
        yield Recorder.sent


def places(tables: frozenset[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the calls that send statements, in modules whose texts name one of some tables.

    Yields:
        Module, first line and last line.
    """
    names = "|".join(tables)
    # In a statement, or as the whole text, which a statement is made from.
    named = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE|TABLE)\s+({names})\b|^({names})$")
    for file in sorted(STORE.glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if not any(named.search(text) for text in _texts(tree)):
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in _SENDS:
                yield file.stem, node.lineno, node.end_lineno or node.lineno


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield all texts of a module, except its documentation and the keys of documents."""
    parents = {id(child): each for each in ast.walk(tree) for child in ast.iter_child_nodes(each)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        around = parents[id(node)]
        reads = isinstance(around, ast.Call) and isinstance(around.func, ast.Attribute)
        if isinstance(around, ast.Expr | ast.Dict | ast.Subscript):
            continue
        if not (reads and around.func.attr == "get"):  # type: ignore[attr-defined]
            yield node.value


def _frames() -> list[tuple[str, str, int]]:
    """Return module, function and line of the calls within the store, the innermost first."""
    found = []
    frame = sys._getframe(2)
    while frame:
        file = Path(frame.f_code.co_filename)
        if file.parent == STORE:
            found.append((file.stem, frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]
    return found


def _numbered(text: str, params: Any) -> tuple[str, list[object]]:
    """Return a statement as Postgres receives it, and its values."""
    if params is None:
        return text, []
    if isinstance(params, Mapping):
        names = list(params)
        text = _PLACEHOLDER.sub(
            lambda found: f"${names.index(found[1]) + 1}" if found[1] else "%", text
        )
        return text, list(params.values())
    numbers = iter(range(1, len(params) + 1))
    text = _PLACEHOLDER.sub(lambda found: f"${next(numbers)}" if found[0] == "%s" else "%", text)
    return text, list(params)
