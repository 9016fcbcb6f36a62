"""Management of the product's own access keys, for operators of deployments that use them.

Operators invoke the function directly, because the database cannot be reached from outside::

    aws lambda invoke --function-name facedex-NAME-access_keys \
        --cli-binary-format raw-in-base64-out \
        --payload '{"Action": "create", "Name": "door", "ReadOnly": true}' key.json

``Action`` is create (with ``Name`` and ``ReadOnly``), list, enable, disable or delete (with
``AccessKeyId``), or reencrypt. Only the response to create contains the secret; protect the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from facedex.runtime import reporting, services
from facedex.secret_sources import read_keys_secret
from facedex.settings import Audit, settings
from facedex.store import access_keys
from facedex.store.access_keys import AccessKey, Permission
from facedex.store.audit import Trail, operator_trail
from facedex.store.database import Connection
from facedex.store.encryption import Cipher
from facedex.store.store_errors import AccessKeyNotFound, WrongKeysSecret

Response = dict[str, Any]


def lambda_handler(event: Mapping[str, Any], context: object) -> Response:
    """Perform the action that the event names.

    Returns:
        The result, or ``{"Error": sentence}``.
    """
    action = event.get("Action") if isinstance(event, Mapping) else None
    if not isinstance(action, str) or action not in _ACTIONS:
        return {"Error": f"Action must be one of {', '.join(_ACTIONS)}."}
    perform, members = _ACTIONS[action]
    if unknown := set(event) - {"Action", *members}:
        known = f"takes {' and '.join(members)}" if members else "takes nothing else"
        return {"Error": f"{action} {known}, not {', '.join(sorted(unknown))}."}
    wrong = [
        name for name, value in event.items() if not isinstance(value, _MEMBERS.get(name, str))
    ]
    if wrong:
        kinds = {str: "text", bool: "true or false"}
        return {"Error": f"{wrong[0]} must be {kinds[_MEMBERS.get(wrong[0], str)]}."}
    try:
        with (
            reporting.under(context),
            services.database()
            .recording(_trail(action, event, context))
            .transaction() as connection,
        ):
            return perform(connection, event)
    except (AccessKeyNotFound, WrongKeysSecret) as error:
        return {"Error": f"{str(error).rstrip('.')}."}


def _trail(action: str, event: Mapping[str, Any], context: object) -> Trail | None:
    """Return the audit log's row; CloudTrail has the caller of the invocation with this id."""
    if action == "list" or settings().audit is Audit.OFF:
        return None
    return operator_trail(
        f"{action.capitalize()}AccessKey",
        getattr(context, "aws_request_id", ""),
        access_key=event.get("AccessKeyId"),
    )


def _create(connection: Connection, event: Mapping[str, Any]) -> Response:
    permission = Permission.READ_ONLY if event.get("ReadOnly") else Permission.ALL
    cipher = Cipher(read_keys_secret(settings().keys_secret))
    created = access_keys.create(connection, cipher, permission, event.get("Name", ""))
    if connection.trail:
        connection.trail.touch(access_key=created.key.access_key_id)
    return {**_document(created.key), "SecretAccessKey": created.secret}


def _reencrypt(connection: Connection, _event: Mapping[str, Any]) -> Response:
    cipher = Cipher(read_keys_secret(settings().keys_secret))
    return {"Reencrypted": access_keys.encrypt_again(connection, cipher)}


def _list(connection: Connection, _event: Mapping[str, Any]) -> Response:
    return {"AccessKeys": [_document(key) for key in access_keys.list_all(connection)]}


def _make_action(change: Callable[[Connection, str], None]) -> Callable[..., Response]:
    def perform(connection: Connection, event: Mapping[str, Any]) -> Response:
        access_key_id = event.get("AccessKeyId", "")
        change(connection, access_key_id)
        return {"AccessKeyId": access_key_id}

    return perform


_MEMBERS: Final[Mapping[str, type]] = {"ReadOnly": bool}

_ACTIONS: Final[Mapping[str, tuple[Callable[..., Response], tuple[str, ...]]]] = {
    "create": (_create, ("Name", "ReadOnly")),
    "list": (_list, ()),
    "reencrypt": (_reencrypt, ()),
    "enable": (_make_action(access_keys.enable), ("AccessKeyId",)),
    "disable": (_make_action(access_keys.disable), ("AccessKeyId",)),
    "delete": (_make_action(access_keys.delete), ("AccessKeyId",)),
}


def _document(key: AccessKey) -> Response:
    return {
        "AccessKeyId": key.access_key_id,
        "Name": key.name,
        "Permission": key.permission.value,
        "CreatedAt": key.created_at.isoformat(),
        "DisabledAt": key.disabled_at.isoformat() if key.disabled_at else None,
    }
