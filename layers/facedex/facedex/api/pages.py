"""Pages of a listing, and their tokens: opaque, signed, valid for one listing only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from itsdangerous import BadData, URLSafeSerializer

from facedex.api.errors import InvalidPaginationTokenException
from facedex.api.service_model import input_shape, shape

# Of operations without a maximum in the service model. Their documentation: "If you specify a value
# greater than 1000, a maximum of 1000 results is returned. The default value is 1000."
_LARGEST_UNLIMITED: Final = 1000
_LONGEST: Final = 255  # the service model's limit for NextToken

_Item = TypeVar("_Item")


def largest_page(operation: str) -> int:
    """Return the number of items on the largest page of an operation's list.

    One rule for all operations: a MaxResults outside the service model's range is refused when the
    request is read. Without MaxResults, or with 0 where the range contains it, a page has as many
    items as the range allows. Where the range has no maximum, a page has at most 1000.

    Args:
        operation: name of an operation with MaxResults.
    """
    size = shape(shape(input_shape(operation))["members"]["MaxResults"]["shape"])
    largest: int = size.get("max", _LARGEST_UNLIMITED)
    return largest


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


class Page:
    """The part of a listing that a request asks for with MaxResults and NextToken.

    Args:
        request: the request, in the service model's names.
        tokens: the listing's tokens.
        largest: see :func:`largest_page`.

    Attributes:
        limit: items to read: one more than the page has, which shows whether another page follows.
    """

    def __init__(self, request: Mapping[str, Any], tokens: PageTokens, *, largest: int) -> None:
        self._request, self._tokens, self._largest = request, tokens, largest
        self._size: int = min(request.get("MaxResults") or largest, largest)
        self.limit = self._size + 1

    def narrow(self, *listing: str) -> Page:
        """Return the page of a part of the listing: of one collection, or under a filter."""
        return Page(self._request, self._tokens.narrow(*listing), largest=self._largest)

    @property
    def after(self) -> Any:
        """The key of the last item of the page before, or None on the first page.

        Raises:
            InvalidPaginationTokenException: if NextToken is not one of this listing.
        """
        # An empty token asks for the first page, as in a loop that begins with one.
        token = self._request.get("NextToken")
        return self._tokens.read(token) if token else None

    def split(
        self, found: Sequence[_Item], key: Callable[[_Item], str | int | list[int]]
    ) -> tuple[Sequence[_Item], str | None]:
        """Return the page's items and its NextToken, which is None on the last page.

        Args:
            found: the items after :attr:`after`, at most :attr:`limit` of them.
            key: the key of an item, by which the next page finds its first one.
        """
        items = found[: self._size]
        return items, self._tokens.write(key(items[-1])) if len(found) > self._size else None
