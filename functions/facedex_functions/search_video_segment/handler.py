"""Work on stored video: planning of a job, or analysis of one segment of its film.

A message names the task. The worker that completes a job's last segment merges the results. Every
step can be repeated: one worker at a time has the lease on a task, and it stores its results in the
transaction that marks the task as done.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex.aws.videos import VideoGone, ranges
from facedex.media import segments
from facedex.media.damage import Damage
from facedex.media.film_errors import FilmError
from facedex.media.films import probe
from facedex.media.following import follow
from facedex.media.ranges import RangedFile
from facedex.media.recordings import Recording
from facedex.media.segments import Segment
from facedex.runtime import model_packs, services
from facedex.runtime.logs import get_logger
from facedex.runtime.worker import worker
from facedex.settings import settings
from facedex.store import jobs, tasks, timelines
from facedex.store.jobs import PLANNING, Job
from facedex.store.store_errors import CollectionNotFound, LeaseLost, ModelMismatch
from facedex.store.tasks import Task, TaskLease
from facedex.vision.vision_errors import PackMissing, PackNotInstalled, Uncalibrated
from facedex.workflows import stored_video
from facedex.workflows.attributes import IN_VIDEO, measuring
from facedex.workflows.heartbeat import VideoHeartbeat
from facedex.workflows.matching import Matcher, match_tracks
from facedex_functions.search_video_segment.persons import group_tracks

if TYPE_CHECKING:
    from facedex.store.database import Connection
    from facedex.vision.calibration import Calibration

_logger: Final = get_logger(__name__)

# Errors that no retry would correct: the job fails with their message.
_FATAL = (
    FilmError,
    VideoGone,
    CollectionNotFound,
    ModelMismatch,
    PackNotInstalled,
    Uncalibrated,
)
_EXHAUSTED: Final = (
    "A part of the video could not be analysed:"
    f" {tasks.MAX_ATTEMPTS // tasks.ERROR_ATTEMPTS} attempts ended in an error, or"
    f" {tasks.MAX_ATTEMPTS} workers died; see the service's log."
)

_DAMAGED: Final = "Damaged frames of the video that could not be decoded: {}."


def process_task(record: SQSRecord) -> None:
    """Do the task that a message names, unless it is done or another worker has it.

    Raises:
        Exception: if the task failed for a temporary reason.
    """
    body = json.loads(record.body)
    task = Task(body["JobId"], body["Task"])
    database = services.database()
    with database.transaction() as connection:
        lease = tasks.claim_lease(connection, task, worker=settings().worker)
        if lease is None:
            return
        job = jobs.find(connection, task.job_id)
    try:
        if lease.attempts > tasks.MAX_ATTEMPTS:
            _fail_job(job, _EXHAUSTED)
        else:
            _do_task(job, lease)
    except LeaseLost:
        return
    except _FATAL as error:
        _fail_job(job, str(error))
    except Exception as error:
        # The pack may be repaired between two attempts.
        if isinstance(error, PackMissing) and lease.is_last_error:
            _fail_job(job, str(error))
        else:
            with database.transaction() as connection:
                tasks.release_lease(connection, lease)
            raise
    stored_video.publish_notification(database, settings(), task.job_id)


def _fail_job(job: Job, reason: str) -> None:
    with services.database().transaction() as connection:
        jobs.end(connection, job.job_id, failure=reason)


def _do_task(job: Job, lease: TaskLease) -> None:
    """Plan the job or analyse a segment; restart the job if its collection was upgraded."""
    try:
        if lease.task.number == PLANNING:
            _plan_job(job, lease)
        else:
            _analyse_segment(job, lease)
    except (ModelMismatch, PackNotInstalled):
        if not stored_video.restart_with_current_model(services.database(), job):
            raise
        stored_video.send(services.database(), settings(), job.job_id)


def _plan_job(job: Job, lease: TaskLease) -> None:
    """Read the film's properties, and cut it into segments."""
    began = perf_counter()
    # Report a missing pack now, not for each segment.
    model_packs.pack_for(job.order.model_version)
    database = services.database()
    with VideoHeartbeat(database, lease) as heartbeat:
        film = probe(_open_video(job), heartbeat=heartbeat)
    rate = float(settings().video_rate)
    pieces = segments.cut(film, seconds=settings().video_segment, rate=rate)
    with database.transaction() as connection:
        if not jobs.lock(connection, job.job_id):
            return
        description = {name: value for name, value in asdict(film).items() if name != "key_frames"}
        jobs.store_plan(connection, job.job_id, description, rate)
        tasks.add_segments(
            connection, job.job_id, ((piece.number, piece.start, piece.end) for piece in pieces)
        )
        tasks.complete_task(connection, lease)
    _logger.info(
        "A video is planned.",
        extra={
            "job_id": job.job_id,
            "segments": len(pieces),
            "seconds": perf_counter() - began,
        },
    )
    stored_video.send(database, settings(), job.job_id)


def _analyse_segment(job: Job, lease: TaskLease) -> None:
    """Track and match the faces of a segment; finish the job if it was the last one."""
    assert job.rate is not None
    database = services.database()
    pack = model_packs.pack_for(job.order.model_version)
    gallery = job.order.gallery
    matcher = Matcher(database, gallery, pack, stored_video.MEANWHILE) if gallery else None
    segment = Segment(lease.task.number, lease.starts, lease.ends)
    damage = Damage()
    with VideoHeartbeat(database, lease) as heartbeat:
        tracks = follow(
            _open_video(job),
            segment,
            pack,
            _recordings(job),
            rate=job.rate,
            heartbeat=heartbeat,
            damage=damage,
            measure=measuring(IN_VIDEO) if job.order.attributes else None,
        )
        seen = match_tracks(tracks, matcher)
    with database.transaction() as connection:
        if not jobs.lock(connection, job.job_id):
            return
        timelines.add_tracks(connection, job.job_id, lease.task.number, seen)
        if tasks.complete_task(connection, lease, damaged=damage.frames):
            _finish_job(connection, job, pack.calibration)


def _finish_job(connection: Connection, job: Job, calibration: Calibration) -> None:
    """Merge the tracks of all segments into persons, and end the job."""
    began = perf_counter()
    # Comparing thousands of tracks of a film of several hours exceeds the default limit.
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    tracks = timelines.track_ends(connection, job.job_id)
    persons = [tracks] if job.order.gallery is None else group_tracks(tracks, calibration)
    timelines.write(connection, job.job_id, persons)
    remark = _remark(job, tasks.count_damaged(connection, job.job_id))
    jobs.end(connection, job.job_id, remark=remark)
    if remark:
        _logger.warning("The video job %s searched a part: %s", job.job_id, remark)
    _logger.info(
        "A video is searched.",
        extra={
            "job_id": job.job_id,
            "tracks": len(tracks),
            "persons": len(persons),
            "seconds": perf_counter() - began,
        },
    )


def _recordings(job: Job) -> list[Recording]:
    assert job.film is not None
    # A job that an earlier release planned has none.
    return [Recording(**each) for each in job.film.get("recordings", ())]


def _remark(job: Job, damaged: int) -> str | None:
    """Return what a job could not search, for its StatusMessage; None if nothing."""
    assert job.film is not None
    remarks = list(job.film.get("remarks", ()))
    if damaged:
        remarks.append(_DAMAGED.format(damaged))
    return " ".join(remarks) or None


def _open_video(job: Job) -> BinaryIO:
    video = job.order.video
    return cast("BinaryIO", io.BufferedReader(RangedFile(video.size, ranges(video))))


lambda_handler = worker("search_video_segment", process_task, _logger)
