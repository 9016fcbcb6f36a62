"""Jobs on stored video: start, description, restart and maintenance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from facedex.api.errors import InternalServerError, InvalidParameterException
from facedex.aws.notifications import NotSent, publish, require_topic
from facedex.aws.videos import locate
from facedex.runtime.logs import get_logger
from facedex.runtime.outbox import RETRY, send_due
from facedex.runtime.services import Services
from facedex.settings import Settings
from facedex.store import collections, job_cleanup, job_notifications, job_starts, jobs, tasks
from facedex.store.database import Connection, Database
from facedex.store.jobs import Gallery, Job, Order
from facedex.store.store_errors import ModelMismatch
from facedex.workflows.attributes import ALL
from facedex.workflows.current_collection import find_kept

_logger: Final = get_logger(__name__)

# Text that follows "The collection … was deleted" in the StatusMessage of a job.
MEANWHILE: Final = " while the job ran"
MAX_RESTARTS: Final = 2  # of a job whose collection changes to another model


def begin(
    operation: str, request: Mapping[str, Any], services: Services, *, threshold: float | None
) -> str:
    """Start the job that a request describes, unless it is a repeated one; return the job's id.

    Args:
        operation: the operation's name.
        request: its checked request.
        services: of the request.
        threshold: minimum similarity of a match, or None for a job that searches no collection.

    Raises:
        ServiceError: if the video cannot be read.
        StoreError: see ``facedex.runtime.faults``.
    """
    settings = services.settings
    if not settings.video_queue:
        raise InternalServerError(
            "This service does not analyse video: FACEDEX_VIDEO_QUEUE is not set."
        )
    token = request.get("ClientRequestToken")
    channel = request.get("NotificationChannel")
    topic = channel and channel["SNSTopicArn"]
    if topic and settings.topics is not None and topic not in settings.topics:
        raise InvalidParameterException(
            f"This service may not publish to {topic}; its operator chooses the allowed topics."
        )
    with services.database.reading() as connection:
        started = job_starts.find_repeated(connection, operation, token, request)
    if started:
        services.touch(job=started)
        return started
    if topic:
        require_topic(topic)
    video = locate(request["Video"])
    with services.database.transaction() as connection:
        gallery, pack = None, services.pack
        if threshold is not None:
            collection = collections.find(connection, request["CollectionId"])
            pack = services.pack_of(collection)
            gallery = Gallery(collection.key, collection.collection_id, threshold)
        job_id = job_starts.start(
            connection,
            Order(
                operation,
                video,
                gallery,
                pack.model_version,
                topic,
                request.get("JobTag"),
                request.get("FaceAttributes") == ALL,
            ),
            token=token,
            request=request,
            limit=settings.video_jobs,
            days=settings.video_expiry,
            server=settings.server_of("S3", *(["SNS"] if topic else [])),
        )
        services.touch(job=job_id)
    send(services.database, settings, job_id)
    return job_id


def progress(connection: Connection, job: Job) -> dict[str, Any]:
    """Return the members that the responses of both Get operations share."""
    order, film = job.order, job.film
    message = job.status_message
    if job.finished_at is None:
        done, parts = tasks.count_segments(connection, job.job_id)
        message = f"{done} of {parts} parts of the video are analysed." if parts else None
    place = {"Bucket": order.video.bucket, "Name": order.video.name, "Version": order.video.version}
    return {
        "JobId": job.job_id,
        "JobStatus": job.status,
        "JobTag": job.order.job_tag,
        "StatusMessage": message,
        "Video": {"S3Object": place},
        "VideoMetadata": film
        and {
            "Codec": film["codec"],
            "ColorRange": film["color_range"],
            "DurationMillis": film["duration"],
            "Format": film["format"],
            "FrameHeight": film["height"],
            "FrameRate": film["frame_rate"],
            "FrameWidth": film["width"],
        },
    }


def send(database: Database, settings: Settings, job_id: str | None = None) -> None:
    """Send the due messages of one job or of all.

    A message is ``{"JobId": id, "Task": number}``.
    """

    def claim(connection: Connection) -> list[dict[str, Any]]:
        due = tasks.claim_messages(connection, job_id, servers=settings.servers("S3"))
        return [{"JobId": task.job_id, "Task": task.number} for task in due]

    send_due(database, settings.video_queue, claim, partial(tasks.resend_messages, seconds=RETRY))


def restart_with_current_model(database: Database, job: Job) -> bool:
    """Restart a job whose collection was upgraded to another model while the job ran.

    The plan of the film stays; all its segments are analysed again with the collection's new pack.

    Args:
        database: where the job is.
        job: the job as the worker that could not continue had read it.

    Returns:
        False if the collection still has the job's model, so that a restart would not help.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if the job has been restarted ``MAX_RESTARTS`` times already.
    """
    gallery = job.order.gallery
    if gallery is None:
        return False
    with database.transaction() as connection:
        if not jobs.lock(connection, job.job_id):
            return True
        collection = find_kept(connection, gallery.collection_id, gallery.collection_key, MEANWHILE)
        if collection.model_version == job.order.model_version:
            return False
        if job.restarts >= MAX_RESTARTS:
            raise ModelMismatch(
                f"The collection {gallery.collection_id} was upgraded to another model pack"
                f" {MAX_RESTARTS + 1} times while the job ran; start the job again."
            )
        if jobs.restart(connection, job, collection.model_version):
            tasks.restart_segments(connection, job.job_id)
            _logger.warning(
                "The video job %s restarts with the model %s: its collection was upgraded.",
                job.job_id,
                collection.model_version,
            )
    return True


def publish_notification(database: Database, settings: Settings, job_id: str | None = None) -> bool:
    """Publish the due notification of one finished job: the named one, or any.

    Returns:
        True if one was due.
    """
    with database.transaction() as connection:
        job = job_notifications.claim_notification(
            connection, job_id, servers=settings.servers("S3", "SNS")
        )
    if job is None or job.order.topic_arn is None:
        return False
    try:
        publish(job.order.topic_arn, job)
    except NotSent as error:
        _logger.warning("%s It will be published again later.", error)
        return True
    with database.transaction() as connection:
        job_notifications.mark_published(connection, job.job_id)
    return True


def sweep(database: Database, settings: Settings) -> None:
    """Maintain the jobs; to be called every few seconds or minutes, by any process.

    Fails jobs without progress, sends lost messages again, publishes notifications that are due,
    and removes expired jobs.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.transaction() as connection:
        for job_id in job_cleanup.fail_stalled(connection, seconds=settings.video_timeout):
            _logger.warning("The video job %s failed: it made no progress.", job_id)
    if settings.video_queue:
        send(database, settings)
    while publish_notification(database, settings):
        pass
    expired = True
    while expired:
        with database.transaction(frees=True) as connection:
            expired = job_cleanup.expire(connection) > 0
