"""ExternalImageIds that an import makes from the names of photos."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from facedex.api.naming import Naming, escape, external_image_id

_SHAPE = get_session().get_service_model("rekognition").shape_for("ExternalImageId")
_VALID = re.compile(_SHAPE.metadata["pattern"])

# All characters that file names may contain: not the separator or NUL.
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1)


@pytest.mark.parametrize(
    ("naming", "relative", "expected"),
    [
        (Naming.STEM, "staff/ann/1.jpg", "1"),
        (Naming.STEM, "ann.lee.jpg", "ann.lee"),
        (Naming.STEM, "ann", "ann"),
        (Naming.PATH, "staff/ann/1.jpg", "staff:2Fann:2F1.jpg"),
        (Naming.FOLDER, "staff/ann/1.jpg", "ann"),
        (Naming.FOLDER, "1.jpg", "photos"),
        (Naming.STEM, "Zoë Lee~1.jpg", "Zo:C3:AB:20Lee:7E1"),
        (Naming.STEM, "a:b.jpg", "a:3Ab"),
    ],
)
def test_a_photo_is_called_by_its_stem_path_or_folder(
    naming: Naming, relative: str, expected: str
) -> None:
    assert external_image_id(naming, relative, "photos") == expected


@given(names)
def test_every_name_becomes_a_valid_id_and_can_be_recovered(name: str) -> None:
    made = escape(name)
    assert _VALID.fullmatch(made)
    assert len(made) <= _SHAPE.metadata["max"]
    if len(made) < _SHAPE.metadata["max"]:
        assert escape(unquote(made.replace(":", "%"))) == made


@given(st.from_regex(r"\A[a-zA-Z0-9_.\-]{1,255}\Z"))
def test_a_name_that_is_valid_stays_as_it_is(name: str) -> None:
    assert escape(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann Lee", "Ann_Lee"),
        ("Ann Lee", "Ann:20Lee"),
        ("a/b", "a:b"),
        ("é" * 200 + "1", "é" * 200 + "2"),
        ("\udcff", "ÿ"),
    ],
)
def test_different_names_never_become_the_same_id(one: str, other: str) -> None:
    assert escape(one) != escape(other)


def test_two_spellings_of_the_same_letter_are_the_same_name() -> None:
    assert escape("Zoe\u0308") == escape("Zo\u00eb")
