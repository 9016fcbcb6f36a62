"""Encryption of values that the database alone must not reveal."""

from __future__ import annotations

import hmac
import os
from typing import Final

from facedex.store.errors import WrongKeysSecret

_NONCE: Final = 12  # bytes, the length that AES-GCM is designed for (NIST SP 800-38D, 8.2)


class Cipher:
    """AES-256-GCM under a key made from a deployment's secret.

    Args:
        secret: text with at least 256 random bits; it is not stretched.
    """

    def __init__(self, secret: str) -> None:
        # Imported here: most functions encrypt nothing, and it takes about 25 ms.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._gcm = AESGCM(hmac.digest(secret.encode(), b"facedex access keys", "sha256"))

    def encrypt(self, text: str, *, bound_to: str) -> bytes:
        """Encrypt ``text`` so that it can be read only together with ``bound_to``."""
        nonce = os.urandom(_NONCE)
        return nonce + self._gcm.encrypt(nonce, text.encode(), bound_to.encode())

    def decrypt(self, encrypted: bytes, *, bound_to: str) -> str:
        """Return the decrypted text.

        Raises:
            WrongKeysSecret: it was encrypted under another secret, for another value of
                ``bound_to``, or changed.
        """
        from cryptography.exceptions import InvalidTag

        nonce, rest = encrypted[:_NONCE], encrypted[_NONCE:]
        try:
            return self._gcm.decrypt(nonce, rest, bound_to.encode()).decode()
        except (InvalidTag, ValueError):
            raise WrongKeysSecret(
                "The access key was stored under another secret than FACEDEX_KEYS_SECRET has now;"
                " bring that back, or create new keys."
            ) from None
