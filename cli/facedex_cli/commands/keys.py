"""``facedex keys``: manage the product's own access keys."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click
from rich.markup import escape
from rich.table import Column, Table

from facedex.printing import printable
from facedex.secret_sources import read_keys_secret
from facedex.setting_reader import SettingError
from facedex.settings import DEFAULT_REGION
from facedex.store import access_keys
from facedex.store.access_keys import AccessKey, Permission
from facedex.store.audit import Trail
from facedex.store.database import Connection
from facedex.store.encryption import Cipher
from facedex.store.store_errors import StoreError
from facedex_cli.auditing.operator import by_operator
from facedex_cli.commands import where
from facedex_cli.commands.stored import require_database
from facedex_cli.consoles import console
from facedex_local import secret
from facedex_local.postgres.database import opened
from facedex_local.start_errors import StartFailed

_Command = TypeVar("_Command", bound=Callable[..., Any])

_access_key_id = click.argument("access_key_id", metavar="ID")


@click.group()
def keys() -> None:
    """Create and manage the access keys for `facedex up --auth keys`.

    The commands use the database of a data directory, whether or not `facedex up` is running on
    it. A key that is disabled or deleted stops working within half a minute.
    """


def on_database(command: _Command) -> _Command:
    """Add the options that specify the database to a command."""

    @where.data_dir("Data directory with the database.")
    @where.database_url("Your own Postgres, instead of the embedded one.")
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        return command(*arguments, **options)

    decorated: Any = run
    return decorated  # type: ignore[no-any-return]


@keys.command()
@click.option("--read-only", is_flag=True, help="Allow only operations that change nothing.")
@click.option("--name", default="", metavar="TEXT", help="Name of the key in the list.")
@on_database
def create(read_only: bool, name: str, data_dir: Path, database_url: str | None) -> None:
    """Create an access key and print it as shell commands.

    The secret is shown only once. It is stored encrypted; the encryption key is
    FACEDEX_KEYS_SECRET, or else the file keys.secret in the data directory, so a dump of the
    database alone does not reveal it.
    """
    permission = Permission.READ_ONLY if read_only else Permission.ALL
    trail = by_operator("CreateAccessKey")
    with _transaction(data_dir, database_url, trail, new=True) as connection:
        cipher = Cipher(read_keys_secret(secret.source(data_dir)))
        if database_url:  # other servers, each with a data directory of its own, may use it too
            access_keys.require_readable(connection, cipher)
        made = access_keys.create(connection, cipher, permission, name)
        trail.touch(access_key=made.key.access_key_id)
        # Within the transaction: a key whose secret could not be printed is not created.
        click.echo(f"export AWS_ACCESS_KEY_ID={made.key.access_key_id}")
        click.echo(f"export AWS_SECRET_ACCESS_KEY={made.secret}")
    click.echo("The secret is not shown again.", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print each key as a line of JSON.")
@on_database
def list_keys(as_json: bool, data_dir: Path, database_url: str | None) -> None:
    """List the access keys, without their secrets."""
    with _transaction(data_dir, database_url) as connection:
        found = access_keys.list_all(connection)
    if as_json:
        for key in found:
            click.echo(_line(key))
        return
    table = Table(Column("Access key", no_wrap=True), "Name", "May", "Created", "State")
    for key in found:
        table.add_row(
            key.access_key_id,
            escape(printable(key.name)),
            key.permission,
            f"{key.created_at:%Y-%m-%d %H:%M}",
            f"disabled {key.disabled_at:%Y-%m-%d %H:%M}" if key.disabled_at else "active",
        )
    console().print(table)


@keys.command()
@_access_key_id
@on_database
def disable(access_key_id: str, data_dir: Path, database_url: str | None) -> None:
    """Disable the key ID until it is enabled again."""
    trail = by_operator("DisableAccessKey", access_key=access_key_id)
    with _transaction(data_dir, database_url, trail) as connection:
        access_keys.disable(connection, access_key_id)


@keys.command()
@_access_key_id
@on_database
def enable(access_key_id: str, data_dir: Path, database_url: str | None) -> None:
    """Enable the disabled key ID again."""
    trail = by_operator("EnableAccessKey", access_key=access_key_id)
    with _transaction(data_dir, database_url, trail) as connection:
        access_keys.enable(connection, access_key_id)


@keys.command()
@_access_key_id
@on_database
def delete(access_key_id: str, data_dir: Path, database_url: str | None) -> None:
    """Delete the key ID permanently."""
    trail = by_operator("DeleteAccessKey", access_key=access_key_id)
    with _transaction(data_dir, database_url, trail) as connection:
        access_keys.delete(connection, access_key_id)


@keys.command()
@on_database
def reencrypt(data_dir: Path, database_url: str | None) -> None:
    """Encrypt all secrets again, after keys.secret has been replaced.

    Before, write the new secret to the first line of keys.secret and the old one to the next line
    as `previous:OLD`, and restart `facedex up`, which then knows both. Afterwards remove the
    second line. The access keys do not change, and callers notice nothing.
    """
    with _transaction(data_dir, database_url) as connection:
        cipher = Cipher(read_keys_secret(secret.source(data_dir)))
        number = access_keys.encrypt_again(connection, cipher)
    click.echo(f"encrypted again: {number}")


@keys.command()
@click.argument("event", type=click.File())
@click.option(
    "--region",
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    default=DEFAULT_REGION,
    show_default=True,
    help="Region of the deployment.",
)
def sign(event: TextIO, region: str) -> None:
    """Print the sample EVENT of a request with a signature, for direct invocations.

    A function with `auth=keys` accepts no request without a signature, also from `sam local invoke`
    and `aws lambda invoke`. The key is that of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the
    signature is valid for five minutes.
    """
    # Imported here, as most commands do not need botocore.
    from facedex_cli.event_signing import sign_event

    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    identifier, key = (os.environ.get(name, "") for name in names)
    if not (identifier and key):
        raise click.ClickException(f"Set {' and '.join(names)} to a key of `facedex keys create`.")
    try:
        signed = sign_event(json.load(event), identifier, key, region)
    except ValueError as error:
        invalid = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
        message = f"{event.name} is not a JSON document." if invalid else str(error)
        raise click.ClickException(message) from error
    click.echo(json.dumps(signed, indent=2))


def _line(key: AccessKey) -> str:
    return json.dumps(
        {
            "AccessKeyId": key.access_key_id,
            "Name": key.name,
            "Permission": key.permission,
            "CreatedAt": key.created_at.isoformat(),
            "DisabledAt": key.disabled_at and key.disabled_at.isoformat(),
        }
    )


@contextmanager
def _transaction(
    data_dir: Path, database_url: str | None, trail: Trail | None = None, *, new: bool = False
) -> Iterator[Connection]:
    """Open a transaction on the database; show expected errors as one sentence.

    Args:
        data_dir: the data directory.
        database_url: the user's own Postgres, used instead.
        trail: the audit log's row of the change.
        new: whether a missing database is created.
    """
    if not new:
        data_dir = require_database(data_dir, database_url)
    try:
        with (
            opened(data_dir, database_url) as database,
            database.recording(trail).transaction() as connection,
        ):
            yield connection
    except (StartFailed, SettingError, StoreError) as error:
        raise click.ClickException(str(error)) from error
