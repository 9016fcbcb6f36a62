"""An object put into the uploads bucket is indexed, as IndexFaces would index it.

``CollectionId/ExternalImageId.jpg`` (``.jpeg``, ``.png``) says where to. Messages may come twice,
late and in any order. What can never work goes to the dead-letter queue with its reason, and the
object is tagged with it; what may work later is put into the queue again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex import invocation
from facedex.api.errors import ServiceError
from facedex.aws import uploads
from facedex.aws.dead_letters import bury, printable
from facedex.aws.uploads import MalformedNotification, Notice
from facedex.runtime.faults import service_error
from facedex.runtime.services import Services, owner
from facedex.settings import settings
from facedex.store.errors import StoreError
from facedex_functions.index_upload.adding import Added, add
from facedex_functions.index_upload.mirroring import mirror
from facedex_functions.index_upload.postponing import postpone

logger = Logger(service="uploads", stream=sys.stderr)


def lambda_handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """Lambda's entry: an SQS event with S3's notifications; failures are delivered again."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    with invocation.under(context):
        return process_partial_response(dict(event), _work, processor, context)


def _work(record: SQSRecord) -> None:
    try:
        notices = uploads.read_notices(record.body)
    except MalformedNotification as error:
        bury(settings().uploads_dead_letters, record.body, error)
        logger.warning("A message failed, %s: %s", error.code, error)
        return
    told = [Told(notice, record.message_id) for notice in notices]
    for each in told:
        # Several objects in one message are S3's right, though it has never used it.
        alone = record.body if len(told) == 1 else json.dumps({"Records": [each.notice.record]})
        try:
            _settle(each, alone)
        except (ServiceError, StoreError) as raised:
            logger.warning(each.line("waits and is tried again: %s"), raised)
            if not _wait(each, record, alone, service_error(raised)):
                raise
        except Exception as raised:
            text = each.line("waits and is tried again: %s")
            logger.warning(text, type(raised).__name__, exc_info=True)
            raise


def _wait(told: Told, record: SQSRecord, body: str, error: ServiceError) -> bool:
    """Have a message come again later; False where it is left to the queue to see to that."""
    queue = settings().uploads_queue
    if not queue:
        return False
    if not postpone(record, queue):
        _refuse(told, body, error)
    return True


def _settle(told: Told, body: str) -> None:
    try:
        added = _follow(told.notice)
    except Exception as raised:
        error = service_error(raised)
        if error.status >= 500:
            raise
        _refuse(told, body, error)
    else:
        _report(told, added)


def _follow(notice: Notice) -> Added | None:
    """Bring the collection to what happened in the bucket; None where there is nothing to index."""
    current = settings()
    services = Services(owner())
    if current.uploads_delete_faces:
        return mirror(notice, services)
    if notice.removed:
        return None
    upload = uploads.fetch(notice.bucket, notice.key, notice.version)
    return None if upload is None else add(notice, upload, services)


def _refuse(told: Told, body: str, error: ServiceError) -> None:
    # The tag first: it may be written twice, and a dead letter is better there once.
    if not told.notice.removed:
        marks = {"status": "failed", "error": error.code, "reason": error.message}
        _mark(told, marks)
    bury(settings().uploads_dead_letters, body, error)
    # The reason names names; the dead letter has it.
    reason = f": {printable(error.message)}" if settings().log_names else ""
    logger.warning(told.line("failed, %s%s"), error.code, reason)


def _report(told: Told, added: Added | None) -> None:
    if added is None:
        logger.info(told.line("is gone; there is nothing to index"))
        return
    count = len(added.indexed.records)
    if count:
        logger.info(told.line("indexed %d %s"), count, "face" if count == 1 else "faces")
        if added.tagged:
            _mark(told, {})
    else:
        logger.info(told.line("has no face to index"))
        unfit = sorted({reason for _, reasons in added.indexed.unindexed for reason in reasons})
        _mark(told, {"status": "no-face", "reason": " ".join(unfit) or "NO_FACE"})


def _mark(told: Told, marks: Mapping[str, str]) -> None:
    """Tag the object, if it can be: its uploader may read there what became of it."""
    from botocore.exceptions import BotoCoreError, ClientError

    version = None if settings().uploads_delete_faces else told.notice.version
    try:
        uploads.mark(told.notice, marks, version)
    except (BotoCoreError, ClientError) as error:
        logger.warning(told.line("cannot be tagged: %s"), error)


@dataclass(frozen=True, slots=True)
class Told:
    """An object that a message told of.

    Attributes:
        message: the message's id.
    """

    notice: Notice
    message: str

    def line(self, text: str) -> str:
        """A line for the log, as a format: about the object, or, where names do not belong into the
        log, about the message that told of it."""
        place = f"{printable(self.notice.bucket)}/{printable(self.notice.key)}"
        subject = place if settings().log_names else f"the object of the message {self.message}"
        return f"{subject.replace('%', '%%')} {text}"
