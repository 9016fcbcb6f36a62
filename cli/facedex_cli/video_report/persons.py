"""The persons in a video, collected from the pages of GetFaceSearch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

# Sightings at most this far apart belong to one stay: a few sampled frames may miss the face.
_GAP: Final = 1500  # ms
_BRIEF: Final = 1.0  # seconds; a person without a match seen for less is listed separately


@dataclass(frozen=True, slots=True)
class Match:
    """A face of the collection: its name, and the similarity, 0..100."""

    name: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Person:
    """A person in the video.

    Attributes:
        stays: start and end of each stay in the picture, ms.
        sightings: number of analysed frames that show the person.
        matches: one for each name, the most similar first.
        peak: the time at which the face is seen best, ms.
        box: the face at that time: left, top, width and height as fractions of the frame.
    """

    index: int
    stays: list[tuple[int, int]]
    sightings: int
    matches: list[Match]
    peak: int
    box: tuple[float, float, float, float]

    @property
    def title(self) -> str:
        """The name of the best match, or a number."""
        return self.matches[0].name if self.matches else f"Person {self.index}"

    @property
    def seconds(self) -> float:
        """The time that the person is in the picture."""
        return sum(end - start for start, end in self.stays) / 1000

    @property
    def brief(self) -> bool:
        """True for a person without a match who is seen only briefly."""
        return not self.matches and self.seconds < _BRIEF


@dataclass(frozen=True, slots=True)
class Film:
    """The video of a finished job, and the persons in it.

    Attributes:
        metadata: the API's ``VideoMetadata``.
        persons: those with a match first, then by time seen, longest first.
    """

    job_id: str
    name: str
    metadata: Mapping[str, Any]
    persons: list[Person]


def read(client: RekognitionClient, job_id: str) -> Film:
    """Read all results of a finished job.

    Raises:
        ClientError: if the job does not exist.
        ValueError: if the job has not succeeded; the message gives its status.
    """
    by_index: dict[int, list[Mapping[str, Any]]] = {}
    answer: Mapping[str, Any] = {}
    for answer in _pages(client, job_id):
        if answer["JobStatus"] != "SUCCEEDED":
            raise ValueError(
                f"The job is {answer['JobStatus']}: {answer.get('StatusMessage', 'no results yet')}"
            )
        for each in answer["Persons"]:
            by_index.setdefault(each["Person"]["Index"], []).append(each)
    persons = [_person(index, found) for index, found in by_index.items()]
    persons.sort(key=lambda person: (not person.matches, -person.seconds, person.index))
    return Film(job_id, answer["Video"]["S3Object"]["Name"], answer["VideoMetadata"], persons)


def _pages(client: RekognitionClient, job_id: str) -> Iterator[Mapping[str, Any]]:
    token = ""
    while True:
        answer: Mapping[str, Any] = client.get_face_search(
            JobId=job_id, SortBy="INDEX", NextToken=token
        )
        yield answer
        token = answer.get("NextToken", "")
        if not token:
            return


def _person(index: int, found: Sequence[Mapping[str, Any]]) -> Person:
    best = max(found, key=lambda each: _visibility(each["Person"]["Face"]))
    box = best["Person"]["Face"]["BoundingBox"]
    names: dict[str, float] = {}
    for match in found[0].get("FaceMatches", ()):
        name = match["Face"].get("ExternalImageId") or match["Face"]["FaceId"]
        names[name] = max(names.get(name, 0), match["Similarity"])
    return Person(
        index,
        _stays([each["Timestamp"] for each in found]),
        len(found),
        [Match(name, similarity) for name, similarity in names.items()],
        best["Timestamp"],
        (box["Left"], box["Top"], box["Width"], box["Height"]),
    )


def _visibility(face: Mapping[str, Any]) -> float:
    """Rate how well a face is seen: larger, sharper and more frontal faces rate higher."""
    box, pose = face["BoundingBox"], face["Pose"]
    averted = (abs(pose["Yaw"]) + abs(pose["Pitch"])) / 45
    return float(box["Width"] * box["Height"] * (1 + face["Quality"]["Sharpness"]) / (1 + averted))


def _stays(moments: Sequence[int]) -> list[tuple[int, int]]:
    stays: list[tuple[int, int]] = []
    for moment in moments:
        if stays and moment - stays[-1][1] <= _GAP:
            stays[-1] = (stays[-1][0], moment)
        else:
            stays.append((moment, moment))
    return stays
