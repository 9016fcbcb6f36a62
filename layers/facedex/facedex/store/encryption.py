"""Encryption of values that must not be readable from the database alone."""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from typing import Final

from facedex.store.store_errors import WrongKeysSecret

# Separates a secret from the one that it replaces. Neither base64 nor hexadecimal digits have ":".
_PREVIOUS: Final = "\nprevious:"
_NONCE: Final = 12  # bytes, the length that AES-GCM is designed for (NIST SP 800-38D, 8.2)


class Cipher:
    """AES-256-GCM with a key derived from a deployment's secret.

    Args:
        secret: text with at least 256 random bits, as the derivation adds no work factor. While it
            is replaced, further lines ``previous:OLD`` name secrets that still decrypt.
    """

    def __init__(self, secret: str) -> None:
        # Imported here, because it takes about 25 ms and most functions encrypt nothing.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._gcm, *self._previous = (
            AESGCM(hmac.digest(each.encode(), b"facedex access keys", "sha256"))
            for each in split(secret)
        )

    def encrypt(self, text: str, *, bound_to: str) -> bytes:
        """Encrypt ``text`` so that it can be decrypted only with the same ``bound_to``."""
        nonce = os.urandom(_NONCE)
        return nonce + self._gcm.encrypt(nonce, text.encode(), bound_to.encode())

    def decrypt(self, encrypted: bytes, *, bound_to: str) -> str:
        """Return the decrypted text.

        Raises:
            WrongKeysSecret: if it was encrypted under another secret or for another value of
                ``bound_to``, or was changed.
        """
        from cryptography.exceptions import InvalidTag

        nonce, rest = encrypted[:_NONCE], encrypted[_NONCE:]
        for gcm in (self._gcm, *self._previous):
            with suppress(InvalidTag, ValueError):
                return gcm.decrypt(nonce, rest, bound_to.encode()).decode()
        raise WrongKeysSecret(
            "The access key was encrypted under another value of FACEDEX_KEYS_SECRET; restore"
            " that value, or create new keys."
        )


def split(secret: str) -> list[str]:
    """Return a secret and, if it is being replaced, the previous ones."""
    return [each.strip() for each in secret.split(_PREVIOUS)]
