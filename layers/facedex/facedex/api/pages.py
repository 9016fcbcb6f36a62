"""Page tokens: opaque to the caller, tamper-evident, good for one listing only."""

from __future__ import annotations

from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from facedex.api.errors import InvalidPaginationTokenException

LARGEST_PAGE: Final = 4096  # items, and what a listing has unless MaxResults says otherwise
_LONGEST: Final = 255  # the service model's limit for NextToken


class PageTokens:
    """Makes and reads the tokens of one listing.

    Args:
        secret: key of the signature, the same in every process of a deployment.
        listing: what is listed, filters included; a token of another listing is refused.
    """

    def __init__(self, secret: bytes, *listing: str) -> None:
        self._secret, self._listing = secret, listing
        self._serializer = URLSafeSerializer(secret, salt="/".join(("page", *listing)))

    def narrow(self, *listing: str) -> PageTokens:
        """The tokens of a part of the listing: of one collection, or under a filter."""
        return PageTokens(self._secret, *self._listing, *listing)

    def write(self, last: str | int | list[int]) -> str:
        """The token of the page that starts behind the item with key ``last``."""
        token = self._serializer.dumps(last)
        text = token if isinstance(token, str) else token.decode()
        if len(text) > _LONGEST:
            raise ValueError(f"A page token may have {_LONGEST} characters, not {len(text)}.")
        return text

    def read(self, token: str) -> Any:
        """The key that :meth:`write` was given.

        Raises:
            InvalidPaginationTokenException: the token was made elsewhere or for another listing.
        """
        try:
            return self._serializer.loads(token)
        except BadData:
            raise InvalidPaginationTokenException(
                "NextToken was not issued for this request; repeat the listing from its start."
            ) from None
