"""Page tokens: opaque to the caller, signed, valid for one listing only."""

from __future__ import annotations

from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from facedex.api.errors import InvalidPaginationTokenException

LARGEST_PAGE: Final = 4096  # maximum number of items, and the default without MaxResults
_LONGEST: Final = 255  # the service model's limit for NextToken


class PageTokens:
    """Create and read the page tokens of one listing.

    Args:
        secret: signing key, the same in every process of a deployment.
        listing: identifies the listing, filters included; tokens of other listings are rejected.
    """

    def __init__(self, secret: bytes, *listing: str) -> None:
        self._secret, self._listing = secret, listing
        self._serializer = URLSafeSerializer(secret, salt="/".join(("page", *listing)))

    def narrow(self, *listing: str) -> PageTokens:
        """Return the tokens for a part of the listing, such as one collection or a filter."""
        return PageTokens(self._secret, *self._listing, *listing)

    def write(self, last: str | int | list[int]) -> str:
        """Return the token of the page that starts after the item with key ``last``."""
        token = self._serializer.dumps(last)
        text = token if isinstance(token, str) else token.decode()
        if len(text) > _LONGEST:
            raise ValueError(f"A page token may have {_LONGEST} characters, not {len(text)}.")
        return text

    def read(self, token: str) -> Any:
        """Return the key that was passed to :meth:`write`.

        Raises:
            InvalidPaginationTokenException: if the token was not issued for this listing.
        """
        try:
            return self._serializer.loads(token)
        except BadData:
            raise InvalidPaginationTokenException(
                "NextToken was not issued for this request; repeat the listing from its start."
            ) from None
