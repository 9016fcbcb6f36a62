"""Which keys a statement reads and writes in tables that are distributed by a column.

The statement is parsed by Postgres' own parser. A table of the statement is restricted to a key if
equalities lead from its column to a value: in conditions of the same query or of one around it, in
joins, in the selected columns of subqueries, and in the columns that are inserted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import pgparse

Tree = Mapping[str, Any]
_DISTINCT = "distinct from every other value"


@dataclass(frozen=True)
class Use:
    """A table in a statement, with the keys that it is restricted to; none if it is not."""

    table: str
    keys: frozenset[object]


@dataclass
class Statement:
    """What a statement uses.

    Attributes:
        uses: its tables.
        functions: the functions that it calls.
    """

    uses: list[Use]
    functions: set[str]

    def of(self, tables: frozenset[str]) -> list[Use]:
        """Return the uses of some tables."""
        return [use for use in self.uses if use.table in tables]


def read(text: str, values: Sequence[object], column: str, *, variables: bool = False) -> Statement:
    """Return what a statement uses.

    Args:
        text: the statement, with its parameters as ``$1``, ``$2``, ...
        values: the parameters' values.
        column: the column that the tables are distributed by.
        variables: whether a name that is no column of the statement is a variable, with a value.
    """
    reader = _Reader(values, column, variables)
    for each in pgparse.parse(text):
        reader.statement(each["stmt"], _Scope())
    return reader.result()


@dataclass
class _Scope:
    """The relations that the names of a query may mean, each with its node of the column."""

    parent: _Scope | None = None
    relations: dict[str, dict[str, int]] = field(default_factory=dict)
    queries: dict[str, dict[str, int]] = field(default_factory=dict)

    def inner(self) -> _Scope:
        return _Scope(self)

    def chain(self) -> Iterator[_Scope]:
        scope: _Scope | None = self
        while scope:
            yield scope
            scope = scope.parent


class _Reader:
    def __init__(self, values: Sequence[object], column: str, variables: bool) -> None:
        self._values, self._column, self._variables = values, column, variables
        self._nodes: list[int] = []  # of each node, the one that it is equal to
        self._constants: dict[object, int] = {}
        self._restricted: list[tuple[int, int]] = []
        self._uses: list[tuple[str, int]] = []
        self._functions: set[str] = set()

    def result(self) -> Statement:
        keys: dict[int, set[object]] = {}
        for value, node in self._constants.items():
            keys.setdefault(self._root(node), set()).add(value)
        for _ in self._restricted:  # as often as one may depend on another
            for node, by in self._restricted:
                keys.setdefault(self._root(node), set()).update(keys.get(self._root(by), ()))
        uses = [Use(table, frozenset(keys.get(self._root(node), ()))) for table, node in self._uses]
        return Statement(uses, self._functions)

    def statement(self, tree: Tree, scope: _Scope) -> list[tuple[str, int | None]]:
        """Read a statement; return its columns, with their nodes."""
        ((kind, parts),) = tree.items()
        if kind == "DeclareCursorStmt":
            return self.statement(parts["query"], scope)
        inner = scope.inner()
        for each in parts.get("withClause", {}).get("ctes", ()):
            query = each["CommonTableExpr"]
            columns = self.statement(query["ctequery"], inner)
            inner.queries[query["ctename"]] = _known(columns)
        if kind == "SelectStmt":
            return self._select(parts, inner)
        if kind in ("InsertStmt", "UpdateStmt", "DeleteStmt"):
            return self._change(kind, parts, inner)
        self._walk(parts, inner)
        return []

    def _select(self, parts: Tree, scope: _Scope) -> list[tuple[str, int | None]]:
        if parts.get("op", "SETOP_NONE") != "SETOP_NONE":
            columns = self.statement({"SelectStmt": parts["larg"]}, scope)
            self.statement({"SelectStmt": parts["rarg"]}, scope)
            return columns
        for each in parts.get("fromClause", ()):
            self._relation(each, scope)
        self._condition(parts.get("whereClause"), scope)
        rest = {name: part for name, part in parts.items() if name not in _READ}
        self._walk(rest, scope)
        return self._columns(parts.get("targetList", ()), scope)

    def _change(self, kind: str, parts: Tree, scope: _Scope) -> list[tuple[str, int | None]]:
        relation = parts["relation"]
        target = self._table(relation, scope)
        if kind == "InsertStmt":
            names = [each["ResTarget"]["name"] for each in parts.get("cols", ())]
            self._insertion(parts, names, target, scope)
        for each in (*parts.get("fromClause", ()), *parts.get("usingClause", ())):
            self._relation(each, scope)
        self._condition(parts.get("whereClause"), scope)
        rest = {name: part for name, part in parts.items() if name not in _READ}
        self._walk(rest, scope)
        self._walk(parts.get("targetList", ()), scope)
        return self._columns(parts.get("returningList", ()), scope)

    def _insertion(
        self, parts: Tree, names: list[str], target: dict[str, int], scope: _Scope
    ) -> None:
        select = parts["selectStmt"]["SelectStmt"]
        position = names.index(self._column) if self._column in names else None
        if "valuesLists" in select:
            for row in select["valuesLists"]:
                items = row["List"]["items"]
                self._walk(items, scope)
                if position is not None:
                    self._equate(target[self._column], self._node(items[position], scope))
            return
        columns = self.statement(parts["selectStmt"], scope)
        if position is not None:
            self._equate(target[self._column], columns[position][1])

    def _relation(self, tree: Tree, scope: _Scope) -> list[dict[str, int]]:
        """Add what stands in FROM to a scope, and return its relations."""
        ((kind, parts),) = tree.items()
        if kind == "RangeVar":
            return [self._table(parts, scope)]
        alias = parts.get("alias", {}).get("aliasname", f"#{id(parts)}")
        if kind == "RangeSubselect":
            known = _known(self.statement(parts["subquery"], scope))
            scope.relations[alias] = known
            return [known]
        if kind == "JoinExpr":
            left, right = (self._relation(parts[side], scope) for side in ("larg", "rarg"))
            optional = {"JOIN_INNER": [], "JOIN_LEFT": right, "JOIN_RIGHT": left}.get(
                parts["jointype"], left + right
            )
            nodes = {each[self._column] for each in optional if self._column in each}
            if any(each["String"]["sval"] == self._column for each in parts.get("usingClause", ())):
                for one, other in itertools.product(left, right):
                    self._equate(one.get(self._column), other.get(self._column), nodes)
            self._condition(parts.get("quals"), scope, nodes)
            return left + right
        self._walk(parts, scope)  # a function
        scope.relations[alias] = {}
        return [{}]

    def _table(self, parts: Tree, scope: _Scope) -> dict[str, int]:
        name = parts["relname"]
        alias = parts.get("alias", {}).get("aliasname", name)
        for each in scope.chain():
            if name in each.queries:
                scope.relations[alias] = each.queries[name]
                return each.queries[name]
        node = self._new()
        self._uses.append((name, node))
        scope.relations[alias] = {self._column: node}
        return scope.relations[alias]

    def _columns(self, targets: Sequence[Tree], scope: _Scope) -> list[tuple[str, int | None]]:
        columns: list[tuple[str, int | None]] = []
        for each in targets:
            target = each["ResTarget"]
            self._walk(target["val"], scope)
            fields = target["val"].get("ColumnRef", {}).get("fields", [{}])
            name = target.get("name") or fields[-1].get("String", {}).get("sval", "")
            columns.append((name, self._node(target["val"], scope)))
        return columns

    def _condition(
        self, tree: Tree | None, scope: _Scope, optional: AbstractSet[int] = frozenset()
    ) -> None:
        if tree is None:
            return
        ((kind, parts),) = tree.items()
        if kind == "BoolExpr" and parts["boolop"] == "AND_EXPR":
            for each in parts["args"]:
                self._condition(each, scope, optional)
            return
        self._walk(tree, scope)
        if kind == "A_Expr" and parts["kind"] == "AEXPR_OP":
            operator = parts["name"][0]["String"]["sval"]
            if operator == "=":
                for one, other in _pairs(parts["lexpr"], parts["rexpr"]):
                    self._equate(self._node(one, scope), self._node(other, scope), optional)

    def _walk(self, part: Any, scope: _Scope) -> None:
        """Read the subqueries and functions in a part of a statement."""
        if isinstance(part, list | tuple):
            for each in part:
                self._walk(each, scope)
        elif isinstance(part, Mapping):
            for name, each in part.items():
                if name in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"):
                    self.statement({name: each}, scope)
                    continue
                if name == "FuncCall":
                    self._functions.add(each["funcname"][-1]["String"]["sval"])
                self._walk(each, scope)

    def _node(self, tree: Tree, scope: _Scope) -> int | None:
        """Return the node of an expression, or None for one whose value is unknown."""
        ((kind, parts),) = tree.items()
        if kind == "TypeCast":
            return self._node(parts["arg"], scope)
        if kind == "ParamRef":
            return self._constant(self._values[parts["number"] - 1])
        if kind == "A_Const" and "ival" in parts:
            return self._constant(parts["ival"].get("ival", 0))
        if kind != "ColumnRef":
            return None
        names = [each["String"]["sval"] for each in parts["fields"] if "String" in each]
        for each in scope.chain():
            if len(names) > 1:
                if names[0] in each.relations:
                    return each.relations[names[0]].get(names[1])
                continue
            for relation in each.relations.values():
                if names and names[0] in relation:
                    return relation[names[0]]
        known = self._variables and len(names) == 1
        return self._constant(("variable", names[0])) if known else None

    def _constant(self, value: object) -> int:
        key = value if isinstance(value, int | str | tuple) else (_DISTINCT, id(value))
        if key not in self._constants:
            self._constants[key] = self._new()
        return self._constants[key]

    def _new(self) -> int:
        self._nodes.append(len(self._nodes))
        return self._nodes[-1]

    def _root(self, node: int) -> int:
        while self._nodes[node] != node:
            node = self._nodes[node]
        return node

    def _equate(
        self, one: int | None, other: int | None, optional: AbstractSet[int] = frozenset()
    ) -> None:
        """Note that two nodes are equal.

        Args:
            one: a node.
            other: another one.
            optional: the nodes of tables of an outer join that may have no row. The condition of
                the join restricts them, and no others.
        """
        if one is None or other is None:
            return
        if not optional:
            self._nodes[self._root(one)] = self._root(other)
        for restricted, by in ((one, other), (other, one)):
            if restricted in optional and by not in optional:
                self._restricted.append((restricted, by))


# The parts of a statement that are read by name.
_READ = frozenset(
    ("withClause", "fromClause", "usingClause", "whereClause", "targetList", "returningList")
) | {"relation", "selectStmt", "cols"}


def _known(columns: Sequence[tuple[str, int | None]]) -> dict[str, int]:
    return {name: node for name, node in columns if name and node is not None}


def _pairs(one: Tree, other: Tree) -> Iterator[tuple[Tree, Tree]]:
    if "RowExpr" in one and "RowExpr" in other:
        yield from zip(one["RowExpr"]["args"], other["RowExpr"]["args"], strict=True)
    else:
        yield one, other
