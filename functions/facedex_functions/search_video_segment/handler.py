"""A piece of work on a stored video: plan a job, or look at one segment of its film.

A message names the piece. Whoever finishes a job's last segment puts the whole together. Every
step is safe to repeat: a piece belongs to one worker at a time, by a lease, and what it found is
written in the transaction that marks it done.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex import invocation
from facedex.aws.videos import VideoGone, ranges
from facedex.media import segments
from facedex.media.film_errors import FilmError
from facedex.media.films import probe
from facedex.media.following import follow
from facedex.media.ranges import RangedFile
from facedex.media.segments import Segment
from facedex.runtime import services
from facedex.settings import settings
from facedex.store import jobs, tasks, timelines
from facedex.store.errors import CollectionNotFound, LeaseLost, ModelMismatch
from facedex.store.jobs import PLANNING, Job
from facedex.store.tasks import Lease, Task
from facedex.vision.errors import PackNotInstalled
from facedex.vision.packs import Pack
from facedex.workflows import stored_video
from facedex_functions.search_video_segment import gallery, heartbeat, persons

if TYPE_CHECKING:
    import logging

# Standard error: what a program answers is on the other one.
logger = Logger(service="video", stream=sys.stderr)

# What no repetition mends: the job fails, in their words.
_FATAL = (FilmError, VideoGone, CollectionNotFound, ModelMismatch, PackNotInstalled)


def lambda_handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """Lambda's entry: an SQS event; messages that failed are delivered again."""
    processor = BatchProcessor(
        EventType.SQS, raise_on_entire_batch_failure=False, logger=cast("logging.Logger", logger)
    )
    with invocation.under(context):
        return process_partial_response(dict(event), _work, processor, context)


def _work(record: SQSRecord) -> None:
    body = json.loads(record.body)
    task = Task(body["JobId"], body["Task"])
    database = services.database()
    with database.transaction() as connection:
        lease = tasks.take(connection, task, worker=settings().worker)
        if lease is None:
            return  # done, in other hands, or its job is over
        job = jobs.find(connection, task.job_id)
        if lease.attempts > tasks.MOST_ATTEMPTS:
            jobs.end(connection, task.job_id, failure=_EXHAUSTED)
    try:
        if lease.attempts <= tasks.MOST_ATTEMPTS:
            _do(job, lease)
    except LeaseLost:
        return
    except _FATAL as error:
        with database.transaction() as connection:
            jobs.end(connection, task.job_id, failure=str(error))
    except Exception:
        with database.transaction() as connection:
            tasks.release(connection, lease)
        raise
    stored_video.announce(database, task.job_id)


_EXHAUSTED = (
    f"A part of the video could not be analysed: {tasks.MOST_ATTEMPTS // tasks.ERROR} attempts"
    f" ended in an error, or {tasks.MOST_ATTEMPTS} workers vanished over it; the service's log says"
    " more."
)


def _do(job: Job, lease: Lease) -> None:
    pack = services.pack_for(job.order.model_version)
    beat = heartbeat.Heartbeat(services.database(), lease)
    size = job.order.video.size
    film = cast("BinaryIO", io.BufferedReader(RangedFile(size, ranges(job.order.video))))
    if lease.task.number == PLANNING:
        _plan(job, lease, film, beat)
    else:
        _look(job, lease, film, beat, pack)


def _plan(job: Job, lease: Lease, source: BinaryIO, beat: heartbeat.Heartbeat) -> None:
    """Find out what the film is, and cut it into segments."""
    begin = perf_counter()
    film = probe(source, heartbeat=beat)
    rate = float(settings().video_rate)
    pieces = segments.cut(film, seconds=settings().video_segment, rate=rate)
    database = services.database()
    with database.transaction() as connection:
        if not jobs.lock(connection, job.job_id):
            return
        description = {name: value for name, value in asdict(film).items() if name != "key_frames"}
        jobs.plan(connection, job.job_id, description, rate)
        tasks.add(
            connection, job.job_id, ((piece.number, piece.start, piece.end) for piece in pieces)
        )
        tasks.complete(connection, lease)
    logger.info(
        "A video is planned.",
        job_id=job.job_id,
        segments=len(pieces),
        seconds=perf_counter() - begin,
    )
    stored_video.send(database, settings(), job.job_id)


def _look(job: Job, lease: Lease, source: BinaryIO, beat: heartbeat.Heartbeat, pack: Pack) -> None:
    """Follow the faces of a segment, search for them, and end the job if it was the last."""
    assert job.rate is not None
    segment = Segment(lease.task.number, lease.starts, lease.ends)
    found = follow(source, segment, pack, rate=job.rate, heartbeat=beat)
    seen = gallery.search_tracks(services.database(), job, found, pack.calibration)
    with services.database().transaction() as connection:
        if not jobs.lock(connection, job.job_id):
            return
        timelines.add_tracks(connection, job.job_id, lease.task.number, seen)
        if tasks.complete(connection, lease):
            begin = perf_counter()
            # Hours of film may have thousands of tracks to compare meanwhile.
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            ends = timelines.track_ends(connection, job.job_id)
            tell_apart = partial(persons.group, calibration=pack.calibration)
            people = [ends] if job.order.gallery is None else tell_apart(ends)
            timelines.write(connection, job.job_id, people)
            jobs.end(connection, job.job_id)
            logger.info(
                "A video is searched.",
                job_id=job.job_id,
                tracks=len(ends),
                persons=len(people),
                seconds=perf_counter() - begin,
            )
