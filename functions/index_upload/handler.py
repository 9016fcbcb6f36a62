"""An object put into the uploads bucket is indexed, as IndexFaces would index it.

``CollectionId/ExternalImageId.jpg`` (``.jpeg``, ``.png``) says where to. Messages may come twice,
late and in any order. What can never work goes to the dead-letter queue with its reason, and the
object is tagged with it; what may work later is left in the queue.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex.api import uploads
from facedex.api.arns import Owner
from facedex.api.dead_letters import bury, printable
from facedex.api.errors import ServiceError
from facedex.api.faults import service_error
from facedex.api.uploads import MalformedNotification, Notice
from facedex.services import Services
from facedex.settings import settings
from facedex.store.errors import StoreError
from functions.index_upload.adding import Added, add
from functions.index_upload.mirroring import mirror

logger = Logger(service="uploads", stream=sys.stderr)


def lambda_handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """Lambda's entry: an SQS event with S3's notifications; failures are delivered again."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(dict(event), _work, processor, context)


def _work(record: SQSRecord) -> None:
    try:
        notices = uploads.read_notices(record.body)
    except MalformedNotification as error:
        bury(settings().uploads_dead_letters, record.body, error)
        logger.warning("A message failed, %s: %s", error.code, error)
        return
    for notice in notices:
        # Several objects in one message are S3's right, though it has never used it.
        alone = json.dumps({"Records": [notice.record]})
        try:
            _settle(notice, record.body if len(notices) == 1 else alone)
        except Exception as raised:
            foreseen = isinstance(raised, ServiceError | StoreError)
            reason = raised if foreseen else type(raised).__name__
            text = _line(notice, "waits and is tried again: %s")
            logger.warning(text, reason, exc_info=not foreseen)
            raise


def _settle(notice: Notice, body: str) -> None:
    try:
        added = _follow(notice)
    except Exception as raised:
        error = service_error(raised)
        if error.status >= 500:
            raise
        _refuse(notice, body, error)
    else:
        _report(notice, added)


def _follow(notice: Notice) -> Added | None:
    """Bring the collection to what happened in the bucket; None where there is nothing to index."""
    current = settings()
    services = Services(Owner(current.account, current.region))
    if current.uploads_delete_faces:
        return mirror(notice, services)
    if notice.removed:
        return None
    upload = uploads.fetch(notice.bucket, notice.key, notice.version)
    return None if upload is None else add(notice, upload, services)


def _refuse(notice: Notice, body: str, error: ServiceError) -> None:
    # The tag first: it may be written twice, and a dead letter is better there once.
    if not notice.removed:
        marks = {"status": "failed", "error": error.code, "reason": error.message}
        _mark(notice, marks)
    bury(settings().uploads_dead_letters, body, error)
    logger.warning(_line(notice, "failed, %s: %s"), error.code, printable(error.message))


def _report(notice: Notice, added: Added | None) -> None:
    if added is None:
        logger.info(_line(notice, "is gone; there is nothing to index"))
        return
    count = len(added.indexed.records)
    if count:
        logger.info(_line(notice, "indexed %d %s"), count, "face" if count == 1 else "faces")
        if added.tagged:
            _mark(notice, {})
    else:
        logger.info(_line(notice, "has no face to index"))
        unfit = sorted({reason for _, reasons in added.indexed.unindexed for reason in reasons})
        _mark(notice, {"status": "no-face", "reason": " ".join(unfit) or "NO_FACE"})


def _mark(notice: Notice, marks: Mapping[str, str]) -> None:
    """Tag the object, if it can be: its uploader may read there what became of it."""
    from botocore.exceptions import BotoCoreError, ClientError

    version = None if settings().uploads_delete_faces else notice.version
    try:
        uploads.mark(notice, marks, version)
    except (BotoCoreError, ClientError) as error:
        logger.warning(_line(notice, "cannot be tagged: %s"), error)


def _line(notice: Notice, text: str) -> str:
    place = f"{printable(notice.bucket)}/{printable(notice.key)}"
    return f"{place.replace('%', '%%')} {text}"
