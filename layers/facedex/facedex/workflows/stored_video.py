"""What the functions for stored video have in common: beginning a job, and keeping jobs going."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from facedex.api.errors import InternalServerError, InvalidParameterException
from facedex.api.pages import LARGEST_VIDEO_PAGE, Page
from facedex.aws.notifications import NotSent, publish
from facedex.aws.videos import locate
from facedex.runtime.outbox import RETRY, send_due
from facedex.runtime.services import Services
from facedex.settings import Settings
from facedex.store import collections, jobs, tasks
from facedex.store.database import Connection, Database
from facedex.store.jobs import Gallery, Job, Order

_logger: Final = logging.getLogger(__name__)


def begin(
    operation: str, request: Mapping[str, Any], services: Services, *, threshold: float | None
) -> str:
    """Start the job that a request asks for, or find the one that it has started before.

    Args:
        threshold: lowest similarity of a match, or None for a job that searches nothing.

    Raises:
        ServiceError: the video cannot be had.
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
            f"This service may not publish to {topic}; whoever runs it says which topics it may"
            " publish to."
        )
    with services.database.transaction() as connection:
        started = jobs.earlier(connection, operation, token, request)
    if started:
        return started
    video = locate(request["Video"])
    with services.database.transaction() as connection:
        gallery, pack = None, services.pack
        if threshold is not None:
            collection = collections.find(connection, request["CollectionId"])
            pack = services.pack_of(collection)
            gallery = Gallery(collection.key, collection.collection_id, threshold)
        job_id = jobs.start(
            connection,
            Order(
                operation,
                video,
                gallery,
                pack.model_version,
                topic,
                request.get("JobTag"),
            ),
            token=token,
            request=request,
            limit=settings.video_jobs,
            days=settings.video_expiry,
        )
    send(services.database, settings, job_id)
    return job_id


def progress(connection: Connection, job: Job) -> dict[str, Any]:
    """What both Get operations say of a job, whatever it is about."""
    order, film = job.order, job.film
    message = job.status_message
    if job.finished_at is None:
        done, parts = tasks.counts(connection, job.job_id)
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


def results_page(request: Mapping[str, Any], services: Services, *listing: str) -> Page:
    """Return the page of a job's results that a Get operation is asked for.

    An empty NextToken asks for the first page: AWS's own examples begin with one.
    """
    request = {name: value for name, value in request.items() if name != "NextToken" or value}
    return services.page(request, *listing, largest=LARGEST_VIDEO_PAGE)


def send(database: Database, settings: Settings, job_id: str | None = None) -> None:
    """Send the messages that are due, of one job or of all."""

    def claim(connection: Connection) -> list[dict[str, Any]]:
        due = tasks.claim_sends(connection, job_id)
        return [{"JobId": task.job_id, "Task": task.number} for task in due]

    send_due(database, settings.video_queue, claim, partial(tasks.send_again, seconds=RETRY))


def announce(database: Database, job_id: str | None = None) -> bool:
    """Publish the notification of a finished job that is due: of one job, or any.

    Returns:
        Whether one was due.
    """
    with database.transaction() as connection:
        job = jobs.claim_announcement(connection, job_id)
    if job is None or job.order.topic_arn is None:
        return False
    try:
        publish(job.order.topic_arn, job)
    except NotSent as error:
        _logger.warning("%s It is published again later.", error)
        return True
    with database.transaction() as connection:
        jobs.mark_announced(connection, job.job_id)
    return True


def sweep(database: Database, settings: Settings) -> None:
    """Keep jobs going, whatever died: to be called every few seconds or minutes, by anybody.

    Fails jobs that do not get on, sends messages that were lost, publishes notifications that
    were not, and removes jobs whose time is over.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.transaction() as connection:
        for job_id in jobs.fail_stalled(connection, seconds=settings.video_timeout):
            _logger.warning("The video job %s was given up: nobody got on with it.", job_id)
    if settings.video_queue:
        send(database, settings)
    while announce(database):
        pass
    expired = True
    while expired:
        with database.transaction() as connection:
            expired = jobs.expire(connection) > 0
