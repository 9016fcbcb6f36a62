"""The application in front of the stand-ins that lets only signed requests through.

After the check, the request is pinned to what was verified: moto chooses a service and an operation
by headers that a signature does not have to cover, and must not choose others than those signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import IO, Final

from facedex.access.authorization import Authorization
from facedex.access.signatures import UNKNOWN, check_claims, check_signature
from facedex.access.signed_request import Received
from facedex.api.errors import (
    AccessDeniedException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    RequestEntityTooLargeException,
    ServiceError,
    UnrecognizedClientException,
)
from facedex.runtime.faults import service_error
from facedex.store.access_keys import AccessKey, Credentials, Permission
from facedex.store.store_errors import StoreError
from facedex_local.access import answers, chunks, forms, legacy_signatures, roles, s3_signatures
from facedex_local.access import sent as sent_requests
from facedex_local.access.access_errors import (
    MISMATCH,
    READ_ONLY,
    UNKNOWN_KEY,
    UNSIGNED,
    Refused,
)
from facedex_local.access.pinning import Verified, pin
from facedex_local.http import routes
from facedex_local.http.exchange import Disconnected, Exchange
from facedex_local.http.gateway import Environ, raw_path
from facedex_local.http.listener import Application
from facedex_local.http.service_errors import Protocol, protocol_of

# Bytes of a body that has to be read before its signature can be verified; S3's are not limited.
_LARGEST: Final = 64 * 1024 * 1024
_PIECE: Final = 1 << 20
_RECHECK: Final = 2.0  # seconds after which the key of a running request is looked up again
_NOTHING: Final = sha256().hexdigest()
_PUT_MEDIA: Final = "/putMedia"
_UNSIGNED: Final = s3_signatures.UNSIGNED_PAYLOAD
# Headers of PutMedia that name the stream and its times.
_MEDIA: Final = ("x-amzn-stream", "x-amzn-fragment", "x-amzn-producer")

Find = Callable[[str], Credentials | None]


class Guard:
    """Verifies each request, and passes it on while its key is active.

    A request can run for hours: GetMedia returns a camera's pictures as long as there are any.

    Args:
        application: answers verified requests.
        find: returns the active credentials of an access key id, or None; called in a thread.
        recheck: seconds after which the key of a running request is looked up again.
    """

    def __init__(self, application: Application, find: Find, *, recheck: float = _RECHECK) -> None:
        self._application = application
        self._look_up = find
        self._recheck = recheck

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        environ = exchange.environ
        try:
            try:
                verified = await self._verify(exchange)
                pin(environ, verified)
            except (Refused, ServiceError) as error:
                await answers.send(exchange, answers.write(environ, error))
                return
            exchange.rewind()
            if not await self._pass_on(exchange, verified):
                await answers.send(exchange, answers.write(environ, _revoked(verified)))
        finally:
            exchange.forget()

    async def _pass_on(self, exchange: Exchange, verified: Verified) -> bool:
        """Have a verified request answered.

        Returns:
            False if its key was disabled or deleted before the response began.

        Raises:
            Disconnected: if its key was disabled or deleted during the response.
        """
        answering = asyncio.ensure_future(self._application(exchange))
        try:
            while not (await asyncio.wait({answering}, timeout=self._recheck))[0]:
                if await exchange.run(self._is_active, verified.access_key_id):
                    continue
                answering.cancel()
                with suppress(asyncio.CancelledError):
                    await answering
                if exchange.status:
                    raise Disconnected
                return False
            await answering
        finally:
            answering.cancel()
        return True

    def _is_active(self, access_key_id: str) -> bool:
        try:
            return self._look_up(access_key_id) is not None
        except StoreError:
            return True  # the database does not answer; it is asked again

    async def _verify(self, exchange: Exchange) -> Verified:
        environ = exchange.environ
        received = sent_requests.read(environ)
        if not sent_requests.is_plain(received):
            raise InvalidSignatureException("A header contains white space of an unusual kind.")
        if legacy_signatures.is_presigned(received):
            return await exchange.run(self._verify_legacy, environ, received)
        service = routes.signed_for(environ)
        if service is None:
            if _is_signed(received):
                raise _unsupported(environ)
            return await self._verify_form(exchange)
        if service == s3_signatures.SERVICE:
            return await self._verify_s3(exchange, received)
        return await self._verify_other(exchange, received)

    def _verify_legacy(self, environ: Environ, received: Received) -> Verified:
        credentials = legacy_signatures.verify(received, self._find, _now())
        found = Verified(credentials.key.access_key_id, s3_signatures.SERVICE, signs_host=False)
        _authorise(credentials.key, environ, found)
        return found

    async def _verify_form(self, exchange: Exchange) -> Verified:
        environ = exchange.environ
        if not forms.is_form(environ):
            raise _unsigned(environ)
        # A stranger's file is not stored: the fields before it must be signed.
        body = await exchange.keep(
            inspect=partial(forms.check_head, environ, self._find), size=forms.HEAD
        )
        credentials = await exchange.run(forms.verify, environ, body, self._find, _now())
        found = Verified(credentials.key.access_key_id, s3_signatures.SERVICE, signs_host=False)
        _authorise(credentials.key, environ, found)
        return found

    async def _verify_s3(self, exchange: Exchange, received: Received) -> Verified:
        signed = await exchange.run(s3_signatures.verify, received, self._find, _now())
        found = _verified(signed.claimed)
        _authorise(signed.credentials.key, exchange.environ, found)
        unsigned = (s3_signatures.UNSIGNED_PAYLOAD, s3_signatures.UNSIGNED_CHUNKS)
        if signed.payload not in unsigned:
            body = await exchange.keep()
            length = exchange.environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH", "")
            await exchange.run(_check_s3_body, body, signed, length)
        return found

    async def _verify_other(self, exchange: Exchange, received: Received) -> Verified:
        environ = exchange.environ
        claimed, credentials = await exchange.run(check_claims, received, self._find)
        if claimed.service != routes.signed_for(environ):
            raise InvalidSignatureException(MISMATCH[1])
        content, digest = b"", _NOTHING
        if _is_media(environ):
            # The body is not known when the request starts. Amazon's producers sign it as empty.
            _check_media_headers(claimed, received)
            if list(received.headers.get("x-amz-content-sha256", ())) == [_UNSIGNED]:
                digest = _UNSIGNED
        else:
            content = await _read(exchange)
            digest = sha256(content).hexdigest()
        await exchange.run(check_signature, claimed, received, credentials, digest)
        found = _verified(claimed, content=content)
        _authorise(credentials.key, environ, found, content)
        return found

    def _find(self, access_key_id: str) -> Credentials | None:
        try:
            return self._look_up(access_key_id)
        except Exception as raised:
            # The database does not answer, or a secret cannot be decrypted.
            raise service_error(raised) from raised


async def _read(exchange: Exchange) -> bytes:
    """Return the complete body, which the application can read again."""
    content = await exchange.read(_LARGEST)
    if content is None:
        raise RequestEntityTooLargeException(f"The request has more than {_LARGEST} bytes.")
    exchange.put_back(content)
    return content


def _is_signed(received: Received) -> bool:
    return "authorization" in received.headers or any(
        name == "X-Amz-Algorithm" for name, _ in received.query
    )


def _unsigned(environ: Environ) -> Refused | ServiceError:
    if protocol_of(environ) is Protocol.S3:
        return Refused(*UNSIGNED)
    return MissingAuthenticationTokenException("Request is missing Authentication Token")


def _revoked(verified: Verified) -> Refused | ServiceError:
    if verified.service == s3_signatures.SERVICE:
        return Refused(*UNKNOWN_KEY)
    return UnrecognizedClientException(UNKNOWN)


def _unsupported(environ: Environ) -> Refused | ServiceError:
    if protocol_of(environ) is Protocol.S3:
        return Refused(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use"
            " AWS4-HMAC-SHA256.",
            400,
        )
    return _unsigned(environ)


def _is_media(environ: Environ) -> bool:
    return raw_path(environ) == _PUT_MEDIA and routes.signed_for(environ) == "kinesisvideo"


def _check_media_headers(claimed: Authorization, received: Received) -> None:
    for name in received.headers:
        if name.replace("_", "-").startswith(_MEDIA) and name not in claimed.signed_headers:
            raise InvalidSignatureException(
                f"'{name[:80]}' must be a 'SignedHeader' in the AWS Authorization."
            )


def _verified(claimed: Authorization, *, content: bytes = b"") -> Verified:
    return Verified(
        claimed.access_key_id,
        claimed.service,
        claimed.region,
        claimed.day,
        signs_type="content-type" in claimed.signed_headers,
        has_content=bool(content),
        is_document=content.lstrip()[:1] in (b"{", b"["),
    )


def _authorise(key: AccessKey, environ: Environ, found: Verified, content: bytes = b"") -> None:
    if key.permission is not Permission.READ_ONLY:
        return
    if roles.may_read(environ, found.service, found.region, content):
        return
    if found.service == s3_signatures.SERVICE:
        raise Refused(*READ_ONLY)
    raise AccessDeniedException(READ_ONLY[1])


def _check_s3_body(body: IO[bytes], signed: s3_signatures.Signed, length: str) -> None:
    body.seek(0)
    if signed.payload in s3_signatures.SIGNED_CHUNKS:
        has_trailer = signed.payload.endswith("-TRAILER")
        chunks.check(
            body, signed.claimed, signed.credentials, length=length, has_trailer=has_trailer
        )
        return
    digest = sha256()
    while piece := body.read(_PIECE):
        digest.update(piece)
    if digest.hexdigest() != signed.payload:
        raise Refused(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            400,
        )


def _now() -> datetime:
    return datetime.now(UTC)
