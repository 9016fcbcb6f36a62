"""Files of stored video that are damaged, cut off or joined, or no films at all."""

from __future__ import annotations

import pytest

from tests.e2e.films import Studio, moving, names
from tests.media.making import film, prolong, rename_entry, sound_only, steady


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"this is a letter and no film" * 50, ""),
        (sound_only(), "video"),
        (rename_entry(film(steady(5)), b"avc1", b"encv"), "encrypted"),
        (prolong(film(steady(50)), 7 * 3_600_000), "hours"),
        (None, ""),
    ],
    ids=["empty", "text", "sound", "encrypted", "seven hours", "cut off"],
)
def test_a_film_that_cannot_be_analysed_fails_with_a_reason(
    studio: Studio, both: bytes, content: bytes | None, said: str
) -> None:
    data = both[: len(both) // 2] if content is None else content
    answer = studio.wait(studio.start(studio.put("bad.mp4", data)))
    assert answer["JobStatus"] == "FAILED"
    assert said in answer["StatusMessage"].lower()
    assert answer["StatusMessage"].endswith(".")
    assert answer["Persons"] == []


def test_a_film_that_was_cut_off_is_searched_as_far_as_it_goes(
    studio: Studio, portraits: dict[str, bytes]
) -> None:
    name = next(iter(portraits))
    whole = moving(
        portraits,
        name,
        seconds=6,
        codec_options={"g": "10"},
        container_options={"movflags": "faststart"},
    )
    cut_off = studio.put("cut off.mp4", whole[: len(whole) * 3 // 5])
    answer = studio.wait(studio.start(cut_off))
    assert answer["JobStatus"] == "SUCCEEDED"
    message = answer["StatusMessage"]
    assert message.startswith(f"The video is cut off: only 60 % of the {len(whole)} bytes")
    searched = answer["VideoMetadata"]["DurationMillis"]
    assert 2000 < searched < 5500
    assert names(answer["Persons"]) == {0: {name}}
    assert searched - 400 <= answer["Persons"][-1]["Timestamp"] < searched
    detected = studio.rekognition.start_face_detection(Video=cut_off)["JobId"]
    assert studio.wait(detected, "get_face_detection")["StatusMessage"] == message


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska"])
def test_everyone_in_a_file_of_several_recordings_is_found(
    studio: Studio, portraits: dict[str, bytes], container: str
) -> None:
    first, second, *_ = portraits
    films = [
        moving(portraits, name, seconds=2, container=container) for name in (first, second, first)
    ]
    answer = studio.wait(studio.start(studio.put("joined", b"".join(films))))
    assert (answer["JobStatus"], answer.get("StatusMessage")) == ("SUCCEEDED", None)
    assert abs(answer["VideoMetadata"]["DurationMillis"] - 6000) <= 200
    seen = [
        ({match["Face"]["ExternalImageId"] for match in each["FaceMatches"]}, each["Timestamp"])
        for each in answer["Persons"]
    ]
    for start, name in ((0, first), (2000, second), (4000, first)):
        moments = [at for found, at in seen if found == {name} and start <= at < start + 2000]
        assert len(moments) >= 9, (name, start, seen)


def test_damaged_frames_are_reported(studio: Studio, portraits: dict[str, bytes]) -> None:
    name = next(iter(portraits))
    data = bytearray(moving(portraits, name, seconds=3, codec_options={"g": "10", "bf": "0"}))
    middle, length = len(data) // 2, len(data) // 4
    data[middle : middle + length] = bytes(length)
    answer = studio.wait(studio.start(studio.put("damaged.mp4", bytes(data))))
    assert answer["JobStatus"] == "SUCCEEDED"
    assert answer["StatusMessage"].startswith("Damaged frames of the video that could not be")
    assert names(answer["Persons"]) == {0: {name}}
