"""Sending of photos to IndexFaces, several at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any, Final, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from facedex.api.photo_results import REFUSED, Result
from facedex.vision.vision_errors import ImageTooLarge, InvalidImage
from facedex_cli.importing import outcomes
from facedex_cli.importing.import_errors import ImportStopped, NotAnImage, TooLarge
from facedex_cli.importing.journal import Request
from facedex_cli.importing.outcomes import Outcome
from facedex_cli.importing.photos import Photo, Source
from facedex_cli.importing.raw import IndexFaces

Piece = TypeVar("Piece")
Done = TypeVar("Done")

# Errors that every other photo would cause, too.
_FATAL: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)

# Photos that may fail in a row because of the server, each after all its attempts: about ten
# minutes of an outage or of a full disk, after which thousands more would fail in the same way.
MOST_FAILING: Final = 100


@dataclass(frozen=True, slots=True)
class Job:
    """A photo and the parameters of its IndexFaces request."""

    photo: Photo
    request: Request


class Indexer:
    """Sends photos to one collection; safe for use by several threads."""

    def __init__(self, index_faces: IndexFaces, collection: str, source: Source) -> None:
        self._index_faces = index_faces
        self._collection = collection
        self._source = source
        self._failing = 0
        self._lock = Lock()

    def index(self, job: Job) -> Outcome:
        """Send one photo.

        Raises:
            ImportStopped: if an error occurs that every other photo would cause, too.
        """
        result, message = Result.FAILED, ""
        try:
            return self._send(job)
        except NotAnImage:
            result = Result.NOT_AN_IMAGE
        except InvalidImage as error:
            result, message = Result.DAMAGED, str(error)
        except (ImageTooLarge, TooLarge) as error:
            result, message = Result.TOO_LARGE, str(error)
        except (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError) as error:
            raise ImportStopped(
                f"The import cannot continue: {error}; run the same command again to resume it."
            ) from error
        except ClientError as error:
            result, message = self._read_refusal(error, job.photo)
        except BotoCoreError as error:
            message = str(error)
            self._count_failure(message)
        except OSError as error:
            message = error.strerror or str(error)
        return Outcome(
            job.photo.place,
            result,
            job.request.external_image_id,
            message=" ".join(message.split()),
        )

    def _send(self, job: Job) -> Outcome:
        prepared = self._source.prepare(job.photo)
        request = job.request
        limit: Any = {} if request.max_faces is None else {"MaxFaces": request.max_faces}
        answer = self._index_faces(
            CollectionId=self._collection,
            Image=prepared.image,
            ExternalImageId=request.external_image_id,
            QualityFilter=request.quality_filter,
            **limit,
        )
        self._failing = 0
        result, faces, reasons = outcomes.of_answer(answer)
        return Outcome(
            job.photo.place,
            result,
            request.external_image_id,
            faces,
            reasons,
            smaller=prepared.smaller,
        )

    def _read_refusal(self, error: ClientError, photo: Photo) -> tuple[Result, str]:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message") or str(error)
        if code in _FATAL:
            raise ImportStopped(f"The import cannot continue: {code}: {message}") from error
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            self._count_failure(f"{code}: {message}")
        else:
            self._failing = 0
        if code not in REFUSED:
            return Result.FAILED, f"{code}: {message}"
        if not self._looks_like_image(photo):
            return Result.NOT_AN_IMAGE, ""
        return REFUSED[code], message

    def _count_failure(self, message: str) -> None:
        """Count a photo that failed because of the server.

        Raises:
            ImportStopped: if as many in a row have failed that the others would, too.
        """
        with self._lock:
            self._failing += 1
            failing = self._failing
        if failing >= MOST_FAILING:
            raise ImportStopped(
                f"The import cannot continue: {failing} photos in a row failed, the last one with"
                f" {' '.join(message.split())} Run the same command again to resume it."
            )

    def _looks_like_image(self, photo: Photo) -> bool:
        try:
            return self._source.looks_like_image(photo)
        except (BotoCoreError, ClientError, OSError):
            return True


def run_jobs(
    jobs: Iterable[Piece],
    index: Callable[[Piece], Done],
    *,
    concurrency: int,
    stopped: Callable[[], bool],
) -> Iterator[tuple[Piece, Done]]:
    """Run jobs concurrently, and yield each with its outcome when it completes.

    Args:
        jobs: the jobs, read as threads become free.
        index: runs one job, in a thread.
        concurrency: the maximum number of jobs at the same time.
        stopped: when this returns true, no further jobs start, and running jobs are completed.

    Raises:
        ImportStopped: if a job raises it; raised after all running jobs have been yielded.
    """
    waiting = iter(jobs)
    running: dict[Future[Done], Piece] = {}
    fatal: ImportStopped | None = None
    with ThreadPoolExecutor(concurrency, thread_name_prefix="import") as pool:
        while True:
            if fatal or stopped():
                running = {f: job for f, job in running.items() if not f.cancel()}
            else:
                # One more job per thread is queued, so that no thread is idle while the caller
                # processes an outcome.
                room = 2 * concurrency - len(running)
                running |= {pool.submit(index, job): job for job in islice(waiting, room)}
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    outcome = future.result()
                except ImportStopped as error:
                    fatal = error
                else:
                    yield job, outcome
    if fatal:
        raise fatal
