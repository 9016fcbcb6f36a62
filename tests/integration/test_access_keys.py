"""Access keys are stored encrypted, and cached for some seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from facedex.store import access_keys
from facedex.store.access_keys import Permission
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.store.keyring import KeyRing
from facedex.store.store_errors import AccessKeyNotFound, WrongKeysSecret

CIPHER = Cipher("a deployment's own secret, 32 characters and more")
TTL = 30


class Clock:
    """A clock that tests advance."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(database: Database, clock: Clock) -> KeyRing:
    return KeyRing(database, CIPHER, seconds=TTL, clock=clock)


def make(database: Database, permission: Permission = Permission.ALL) -> access_keys.Credentials:
    with database.transaction() as connection:
        return access_keys.create(connection, CIPHER, permission, "door")


def disable(database: Database, access_key_id: str) -> None:
    with database.transaction() as connection:
        access_keys.disable(connection, access_key_id)


def enable(database: Database, access_key_id: str) -> None:
    with database.transaction() as connection:
        access_keys.enable(connection, access_key_id)


def test_a_key_is_read_back_unchanged(database: Database) -> None:
    made = make(database, Permission.READ_ONLY)
    assert re.fullmatch(r"FDX[A-Z2-7]{17}", made.key.access_key_id)
    assert len(made.secret) == 40
    with database.transaction() as connection:
        assert access_keys.read(connection, CIPHER, made.key.access_key_id) == made
        assert access_keys.list_all(connection) == [made.key]
    assert made.key.permission is Permission.READ_ONLY
    assert made.key.disabled_at is None


def test_no_column_holds_the_secret(database: Database, database_url: str) -> None:
    made = make(database)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT * FROM access_keys").fetchone()
    assert row is not None
    stored = b"".join(
        bytes(value) if isinstance(value, bytes) else str(value).encode() for value in row
    )
    assert made.secret.encode() not in stored


def test_another_secret_reads_no_key(database: Database) -> None:
    made = make(database)
    other = Cipher("another deployment's secret, 32 characters and more")
    with database.transaction() as connection, pytest.raises(WrongKeysSecret):
        access_keys.read(connection, other, made.key.access_key_id)


def test_a_secret_is_replaced_without_an_interruption(database: Database) -> None:
    old, new = "the old secret, 32 characters and more", "the new secret, 32 characters and more"
    both = Cipher(f"{new}\nprevious:{old}\nprevious:an even older secret of 32 characters")
    with database.transaction() as connection:
        first = access_keys.create(connection, Cipher(old), Permission.ALL, "door")
        # While both secrets are known, keys of either are read.
        second = access_keys.create(connection, both, Permission.ALL, "gate")
        made = [first, second]
        assert [access_keys.read(connection, both, each.key.access_key_id) for each in made] == made
        assert access_keys.encrypt_again(connection, both) == 2
        after = Cipher(new)
        assert [access_keys.read(connection, after, each.key.access_key_id) for each in made] == (
            made
        )
        with pytest.raises(WrongKeysSecret):
            access_keys.read(connection, Cipher(old), first.key.access_key_id)


def test_a_secret_of_several_lines_is_one_secret(database: Database) -> None:
    lines = "the first line of a secret\nand the second line of it"
    with database.transaction() as connection:
        made = access_keys.create(connection, Cipher(lines), Permission.ALL)
        with pytest.raises(WrongKeysSecret):
            access_keys.read(connection, Cipher(lines.split("\n")[0]), made.key.access_key_id)


def test_a_secret_copied_to_another_keys_row_is_not_read(
    database: Database, database_url: str
) -> None:
    first, second = make(database), make(database, Permission.READ_ONLY)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE access_keys SET encrypted_secret ="
            " (SELECT encrypted_secret FROM access_keys WHERE access_key_id = %s)"
            " WHERE access_key_id = %s",
            (second.key.access_key_id, first.key.access_key_id),
        )
    with database.transaction() as connection, pytest.raises(WrongKeysSecret):
        access_keys.read(connection, CIPHER, first.key.access_key_id)


@pytest.mark.parametrize("unknown", ["FDXAAAAAAAAAAAAAAAAA", "AKIAIOSFODNN7EXAMPLE", "", "a\0b"])
def test_an_unknown_key_is_not_found(database: Database, unknown: str) -> None:
    for act in (access_keys.disable, access_keys.enable, access_keys.delete):
        with database.transaction() as connection, pytest.raises(AccessKeyNotFound):
            act(connection, unknown)


def test_disabling_twice_keeps_the_first_time(database: Database) -> None:
    made = make(database)
    disable(database, made.key.access_key_id)
    with database.transaction() as connection:
        first = access_keys.list_all(connection)[0].disabled_at
    disable(database, made.key.access_key_id)
    with database.transaction() as connection:
        assert access_keys.list_all(connection)[0].disabled_at == first is not None


def test_a_cached_key_needs_no_query_until_it_expires(
    database: Database, keyring: KeyRing, clock: Clock
) -> None:
    made = make(database)
    access_key_id = made.key.access_key_id
    assert keyring.find(access_key_id) == made
    disable(database, access_key_id)
    clock.now = TTL - 1
    assert keyring.find(access_key_id) == made
    clock.now = TTL
    assert keyring.find(access_key_id) is None


def test_a_new_or_enabled_key_works_at_once(database: Database, keyring: KeyRing) -> None:
    made = make(database)
    disable(database, made.key.access_key_id)
    assert keyring.find(made.key.access_key_id) is None
    enable(database, made.key.access_key_id)
    assert keyring.find(made.key.access_key_id) == made


def test_the_key_ring_stays_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facedex.store.keyring._MAX_CACHED", 2)
    keyring = KeyRing(database, CIPHER, seconds=TTL)
    first, second, third = made = [make(database) for _ in range(3)]
    for each in made:
        assert keyring.find(each.key.access_key_id) == each
    with database.transaction() as connection:
        for each in made:
            access_keys.delete(connection, each.key.access_key_id)
    # The oldest key was removed, so the database is queried again; the others are still cached.
    assert keyring.find(first.key.access_key_id) is None
    assert keyring.find(second.key.access_key_id) == second
    assert keyring.find(third.key.access_key_id) == third


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_key_whose_secret_cannot_be_printed_is_not_created(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    command = [str(Path(sys.executable).with_name("facedex")), "keys", "create"]
    options = [f"--data-dir={tmp_path}", f"--database-url={database_url}"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, *options], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: The output cannot be written completely")
    with database.reading() as connection:
        assert access_keys.list_all(connection) == []
