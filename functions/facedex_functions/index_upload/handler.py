"""Indexing of objects in the uploads bucket, as by IndexFaces.

The key ``CollectionId/ExternalImageId.jpg`` (``.jpeg``, ``.png``) names the collection and the
ExternalImageId. Messages may arrive twice, late and in any order. If an upload can never be
indexed, its message goes to the dead-letter queue with the reason, and the object is tagged with
it. If an upload may be indexed later, its message is put into the queue again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex.api.errors import ServiceError
from facedex.aws import uploads
from facedex.aws.dead_letters import plain_text, send_dead_letter
from facedex.aws.uploads import MalformedNotification, Notice
from facedex.runtime import audit
from facedex.runtime.faults import is_foreseen, service_error
from facedex.runtime.logs import get_logger
from facedex.runtime.services import Services, owner
from facedex.runtime.worker import DeliverAgain, worker
from facedex.settings import settings
from facedex_functions.index_upload.indexing import IndexedUpload, index_upload
from facedex_functions.index_upload.mirroring import mirror
from facedex_functions.index_upload.postponing import postpone

_logger: Final = get_logger(__name__)


def process_notification(record: SQSRecord) -> None:
    """Index the objects that a notification of S3 names.

    Raises:
        DeliverAgain: if an object cannot be indexed now.
    """
    try:
        notices = uploads.read_notices(record.body)
    except MalformedNotification as error:
        send_dead_letter(settings().uploads_dead_letters, record.body, error)
        _logger.warning("A message failed, %s: %s", error.code, error)
        return
    for notice in notices:
        # S3's format allows several objects in one message, although S3 has not been seen to do so.
        alone = record.body if len(notices) == 1 else json.dumps({"Records": [notice.record]})
        _process_object(NotifiedObject(notice, record.message_id), record, alone)


def _process_object(notified: NotifiedObject, record: SQSRecord, body: str) -> None:
    """Index an object, and handle a failure: reject or postpone its message.

    Args:
        notified: the object.
        record: the message.
        body: body of a message that names only this object.
    """
    own = owner()
    trail = audit.begin_upload(notified.notice.record, notified.message_id, own.region)
    try:
        indexed = _update_collection(notified.notice, Services(own, trail))
    except Exception as raised:
        error = service_error(raised)
        if error.status < 500:
            audit.record_failure(trail, error, raised)
            _reject(notified, body, error)
            return
        if not is_foreseen(raised):
            line = notified.log_line("cannot be indexed now and will be retried: %s")
            _logger.warning(line, type(raised).__name__, exc_info=True)
            raise DeliverAgain from raised
        _logger.warning(notified.log_line("cannot be indexed now and will be retried: %s"), raised)
        if not _postpone(notified, record, body, error):
            raise DeliverAgain from raised
    else:
        _report_result(notified, indexed)


def _postpone(notified: NotifiedObject, record: SQSRecord, body: str, error: ServiceError) -> bool:
    """Put a message into the queue again; return False if no queue is configured."""
    queue = settings().uploads_queue
    if not queue:
        return False
    if not postpone(record, queue):
        _reject(notified, body, error)
    return True


def _update_collection(notice: Notice, services: Services) -> IndexedUpload | None:
    """Update the collection from the bucket; return None if there is nothing to index."""
    if services.settings.uploads_delete_faces:
        return mirror(notice, services)
    if notice.removed:
        return None
    upload = uploads.fetch(notice.bucket, notice.key, notice.version)
    return None if upload is None else index_upload(notice, upload, services)


def _reject(notified: NotifiedObject, body: str, error: ServiceError) -> None:
    """Tag an object that can never be indexed, and send its message to the dead-letter queue."""
    # Tag first: after a crash both are repeated, and only a second tag is harmless.
    if not notified.notice.removed:
        tags = {"status": "failed", "error": error.code, "reason": error.message}
        _tag(notified, tags)
    send_dead_letter(settings().uploads_dead_letters, body, error)
    # The reason contains names; the dead letter has it too.
    reason = f": {plain_text(error.message)}" if settings().log_names else ""
    _logger.warning(notified.log_line("failed, %s%s"), error.code, reason)


def _report_result(notified: NotifiedObject, indexed: IndexedUpload | None) -> None:
    """Log the result of an object, and tag the object if none of its faces was indexed."""
    if indexed is None:
        _logger.info(notified.log_line("does not exist any more; there is nothing to index"))
        return
    count = len(indexed.result.records)
    if count:
        _logger.info(notified.log_line("indexed %d %s"), count, "face" if count == 1 else "faces")
        if indexed.tagged:
            _tag(notified, {})
    else:
        _logger.info(notified.log_line("has no face to index"))
        unfit = sorted({reason for _, reasons in indexed.result.unindexed for reason in reasons})
        _tag(notified, {"status": "no-face", "reason": " ".join(unfit) or "NO_FACE"})


def _tag(notified: NotifiedObject, tags: Mapping[str, str]) -> None:
    """Replace Facedex's tags of an object, where its uploader may read them; log a failure."""
    from botocore.exceptions import BotoCoreError, ClientError

    version = None if settings().uploads_delete_faces else notified.notice.version
    try:
        uploads.replace_tags(notified.notice, tags, version)
    except (BotoCoreError, ClientError) as error:
        _logger.warning(notified.log_line("cannot be tagged: %s"), error)


@dataclass(frozen=True, slots=True)
class NotifiedObject:
    """An object, and the message with S3's notification about it.

    Attributes:
        notice: the notification.
        message_id: the message's id.
    """

    notice: Notice
    message_id: str

    def log_line(self, text: str) -> str:
        """Return a log format that names the object, or its message if names are not logged."""
        path = f"{plain_text(self.notice.bucket)}/{plain_text(self.notice.key)}"
        subject = path if settings().log_names else f"the object of the message {self.message_id}"
        return f"{subject.replace('%', '%%')} {text}"


lambda_handler = worker("index_upload", process_notification, _logger)
