"""Secrets that a setting names: in a file, or in AWS Secrets Manager."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from facedex.setting_reader import SettingError

_FILE: Final = "file:"
_SECRETS_MANAGER: Final = "secretsmanager:"
_SHORTEST_SECRET: Final = 32  # characters: 192 bits of base64


def read_keys_secret(source: str) -> str:
    """Read the key that encrypts the access keys' secrets.

    Args:
        source: the value of ``FACEDEX_KEYS_SECRET``: the text itself, ``file:PATH``, or
            ``secretsmanager:ARN`` of a secret of AWS Secrets Manager. Further lines of the text,
            ``previous:OLD``, are keys that it replaces.

    Raises:
        SettingError: if the key is missing, cannot be read, or is too short.
    """
    secret = source.strip()
    if secret.startswith(_FILE):
        path = Path(secret.removeprefix(_FILE))
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise SettingError(
                f"FACEDEX_KEYS_SECRET is the file {path}, which cannot be read."
            ) from None
    elif secret.startswith(_SECRETS_MANAGER):
        secret = read_secret(secret.removeprefix(_SECRETS_MANAGER), "FACEDEX_KEYS_SECRET")
    if min(len(each.strip()) for each in secret.split("\nprevious:")) < _SHORTEST_SECRET:
        raise SettingError(
            f"FACEDEX_KEYS_SECRET must have at least {_SHORTEST_SECRET} random characters, such as"
            " those of: openssl rand -base64 32"
        )
    return secret


def read_secret(arn: str, setting: str) -> str:
    """Read the text of a secret of AWS Secrets Manager.

    Args:
        arn: ARN of the secret.
        setting: the setting that names it, for the message.

    Raises:
        SettingError: if the secret cannot be read.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # With botocore's defaults, a call hangs for minutes if Secrets Manager cannot be reached.
    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
    region = dict(enumerate(arn.split(":"))).get(3)
    try:
        # A session of its own: boto3's default session is not thread-safe.
        session = boto3.session.Session(region_name=region)
        client = session.client("secretsmanager", config=config)
        secret: str = client.get_secret_value(SecretId=arn).get("SecretString", "")
    except (BotoCoreError, ClientError) as error:
        raise SettingError(
            f"{setting} names the secret {arn}, which cannot be read: {error}"
        ) from error
    return secret.strip()
