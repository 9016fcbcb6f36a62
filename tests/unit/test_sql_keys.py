"""The test's reader of statements finds the keys that their tables are restricted to."""

from __future__ import annotations

import pytest

from tests.sql_keys import read

KEY = "collection_key"


def keys(text: str, *values: object) -> list[tuple[str, set[object]]]:
    return [(use.table, set(use.keys)) for use in read(text, values, KEY).uses]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM faces JOIN users USING (collection_key) WHERE collection_key = $1",
        "SELECT 1 FROM faces a JOIN users b ON a.collection_key = b.collection_key"
        " WHERE b.collection_key = 7 AND (a.x OR b.x)",
        "SELECT 1 FROM faces LEFT JOIN users USING (collection_key)"
        " WHERE faces.collection_key = $1::bigint",
        "SELECT 1 FROM faces LEFT JOIN users ON users.collection_key = $1"
        " WHERE faces.collection_key = $1",
        "DELETE FROM faces WHERE collection_key = $1 AND face_id IN"
        " (SELECT user_id FROM users WHERE collection_key = $1)",
        "SELECT 1 FROM faces WHERE NOT EXISTS (SELECT FROM users"
        " WHERE users.collection_key = faces.collection_key) AND collection_key = $1",
        "WITH found AS (SELECT collection_key FROM faces WHERE collection_key = $1)"
        " INSERT INTO users (user_id, collection_key) SELECT 'a', collection_key FROM found",
        "WITH gone AS (DELETE FROM faces WHERE collection_key = $1 RETURNING collection_key)"
        " UPDATE users SET user_id = 'a' FROM gone"
        " WHERE users.collection_key = gone.collection_key",
        "SELECT 1 FROM faces, users WHERE (faces.collection_key, users.collection_key) = ($1, 7)",
    ],
)
def test_equalities_restrict_all_tables_to_one_key(text: str) -> None:
    assert keys(text, 7) == [("faces", {7}), ("users", {7})]


def test_inserted_values_are_keys() -> None:
    text = "INSERT INTO faces (face_id, collection_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
    assert keys(text, "7", 8) == [("faces", {8})]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM faces",
        "SELECT 1 FROM faces WHERE collection_key = $1 OR x",
        "SELECT 1 FROM faces WHERE NOT (collection_key = $1)",
        "SELECT 1 FROM faces WHERE collection_key <> $1",
        "SELECT 1 FROM faces WHERE collection_key = other",
        "DELETE FROM faces WHERE face_id IN (SELECT $1)",
        "UPDATE faces SET collection_key = $1",
        "INSERT INTO faces (face_id) VALUES ($1)",
    ],
)
def test_other_conditions_restrict_no_table(text: str) -> None:
    assert keys(text, 7) == [("faces", set())]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM faces LEFT JOIN users ON users.collection_key = faces.collection_key"
        " AND users.collection_key = $1",
        "SELECT 1 FROM faces LEFT JOIN (SELECT collection_key FROM users WHERE collection_key = $1)"
        " AS kept USING (collection_key)",
        "SELECT 1 FROM faces FULL JOIN users USING (collection_key)"
        " WHERE faces.collection_key = other UNION SELECT 2 FROM users WHERE collection_key = $1",
    ],
)
def test_the_condition_of_an_outer_join_does_not_restrict_the_table_that_keeps_its_rows(
    text: str,
) -> None:
    assert keys(text, 7)[0] == ("faces", set())


def test_two_keys_are_both_found_and_functions_are_named() -> None:
    text = (
        "SELECT lock_name('a') FROM faces, users"
        " WHERE faces.collection_key = $1 AND users.collection_key = $2"
    )
    statement = read(text, (7, 8), KEY)
    assert statement.functions == {"lock_name"}
    assert [set(use.keys) for use in statement.uses] == [{7}, {8}]


def test_variables_of_functions_are_keys() -> None:
    text = "SELECT 1 FROM faces WHERE collection_key = wanted"
    (use,) = read(text, (), KEY, variables=True).uses
    assert use.keys == {("variable", "wanted")}
