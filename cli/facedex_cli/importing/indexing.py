"""Photos sent to IndexFaces, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from facedex.vision.errors import ImageTooLarge, InvalidImage
from facedex_cli.importing import outcomes
from facedex_cli.importing.import_errors import ImportStopped, NotAnImage, TooLarge
from facedex_cli.importing.journal import Request
from facedex_cli.importing.outcomes import Outcome, Result
from facedex_cli.importing.photos import Photo, Source
from facedex_cli.importing.raw import IndexFaces

Piece = TypeVar("Piece")
Done = TypeVar("Done")

# What the service refuses for the photo's own sake.
_REFUSED: Final = {
    "InvalidImageFormatException": Result.DAMAGED,
    "ImageTooLargeException": Result.TOO_LARGE,
}
# What it would refuse with every other photo too.
_HOPELESS: Final = frozenset(
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


@dataclass(frozen=True, slots=True)
class Job:
    """A photo and what is asked of IndexFaces with it."""

    photo: Photo
    request: Request


class Indexer:
    """Sends photos to one collection; may be used by several threads."""

    def __init__(self, index_faces: IndexFaces, collection: str, source: Source) -> None:
        self._index_faces = index_faces
        self._collection = collection
        self._source = source

    def index(self, job: Job) -> Outcome:
        """Send one photo.

        Raises:
            ImportStopped: it failed as every other photo would.
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
                f"The import cannot go on: {error}; the same command goes on where this one ended."
            ) from error
        except ClientError as error:
            result, message = self._read_refusal(error, job.photo)
        except (BotoCoreError, OSError) as error:
            message = getattr(error, "strerror", None) or str(error)
        return Outcome(
            job.photo.place,
            result,
            job.request.external_image_id,
            message=" ".join(message.split()),
        )

    def _send(self, job: Job) -> Outcome:
        prepared = self._source.prepare(job.photo)
        asked = job.request
        limit: Any = {} if asked.max_faces is None else {"MaxFaces": asked.max_faces}
        answer = self._index_faces(
            CollectionId=self._collection,
            Image=prepared.image,
            ExternalImageId=asked.external_image_id,
            QualityFilter=asked.quality_filter,
            **limit,
        )
        result, faces, reasons = outcomes.of_answer(answer)
        return Outcome(
            job.photo.place,
            result,
            asked.external_image_id,
            faces,
            reasons,
            smaller=prepared.smaller,
        )

    def _read_refusal(self, error: ClientError, photo: Photo) -> tuple[Result, str]:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message") or str(error)
        if code in _HOPELESS:
            raise ImportStopped(f"The import cannot go on: {code}: {message}") from error
        if code not in _REFUSED:
            return Result.FAILED, f"{code}: {message}"
        if not self._looks_like_image(photo):
            return Result.NOT_AN_IMAGE, ""
        return _REFUSED[code], message

    def _looks_like_image(self, photo: Photo) -> bool:
        try:
            return self._source.looks_like_image(photo)
        except (BotoCoreError, ClientError, OSError):
            return True


def work_off(
    jobs: Iterable[Piece],
    index: Callable[[Piece], Done],
    *,
    concurrency: int,
    stopped: Callable[[], bool],
) -> Iterator[tuple[Piece, Done]]:
    """Do jobs, some at once, and yield each with its outcome as it is done.

    Args:
        jobs: taken from when there is room.
        index: does one, in a thread.
        concurrency: most at once.
        stopped: once it is true no further job is begun; those under way are waited for.

    Raises:
        ImportStopped: after what was under way has been yielded.
    """
    ahead = iter(jobs)
    under_way: dict[Future[Done], Piece] = {}
    hopeless: ImportStopped | None = None
    with ThreadPoolExecutor(concurrency, thread_name_prefix="import") as pool:
        while True:
            if hopeless or stopped():
                under_way = {f: job for f, job in under_way.items() if not f.cancel()}
            else:
                # One for each thread waits, so that none is idle while this one is busy.
                room = 2 * concurrency - len(under_way)
                under_way |= {pool.submit(index, job): job for job in islice(ahead, room)}
            if not under_way:
                break
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                job = under_way.pop(future)
                try:
                    outcome = future.result()
                except ImportStopped as error:
                    hopeless = error
                else:
                    yield job, outcome
    if hopeless:
        raise hopeless
