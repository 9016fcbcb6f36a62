"""Passwords from IAM: an RDS database accepts a signed token, which is valid for 15 minutes.

https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_SECONDS: Final = 900  # for which RDS accepts a token


class IamTokens:
    """Passwords that are tokens, each signed for one connection with the process's credentials.

    Args:
        url: libpq connection string with host and user.
        region: region of the database.

    Raises:
        ValueError: if the connection string lacks a host or a user.
    """

    def __init__(self, url: str, *, region: str) -> None:
        place = conninfo_to_dict(url)
        host, user = place.get("host"), place.get("user")
        if not host or not user:
            raise ValueError(
                "FACEDEX_DATABASE_URL must name a host and a user if FACEDEX_DATABASE_AUTH is iam,"
                " such as postgresql://facedex@database.example:5432/facedex"
            )
        self._address = f"{host}:{place.get('port') or 5432}"
        self._user = str(user)
        self._region = region

    def current(self) -> str:
        """Return a new token."""
        return _token(self._address, self._user, self._region)

    def renewed(self, refused: str) -> None:
        """Return None: another token would be refused too."""


def _token(address: str, user: str, region: str) -> str:
    # Imported here, because it takes 0.1 s and only new connections need it. The signer without a
    # client reads no service models.
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("GET", f"https://{address}/", params={"Action": "connect", "DBUser": user})
    SigV4QueryAuth(_credentials(), "rds-db", region, expires=_SECONDS).add_auth(request)
    return str(request.url).removeprefix("https://")


def _credentials() -> Credentials:
    from botocore.credentials import Credentials

    key, secret = (os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if key and secret:
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
    # A function with SnapStart reads its credentials from an endpoint and renews them.
    from botocore.exceptions import NoCredentialsError
    from botocore.session import Session

    found = Session().get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)
