from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facedex_cli.evaluation import evaluating, groups, sets
from facedex_cli.evaluation.enrolment import Enrolment
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.sets import PhotoSet

# Five people with two photos each: cosines of one person 1, 0.8, 0.6, 0.8, 1; see VECTORS.
PEOPLE = ("ann", "ben", "cem", "dan", "eve.jpg")
SET = PhotoSet(
    tuple(Path(name) / photo for name in PEOPLE for photo in "12"),
    np.repeat(np.arange(5), 2),
    None,
    tuple(np.repeat(PEOPLE, 2).tolist()),
)
OF_ONE_PERSON = (1.0, 0.8, 0.6, 0.8, 1.0)


def enrolment() -> Enrolment:
    """Return vectors: each person's two have a cosine as above, ann's and ben's first ones 0.9."""
    vectors = np.zeros((10, 11), np.float32)
    for person, cosine in enumerate(OF_ONE_PERSON):
        vectors[2 * person, 2 * person] = 1
        vectors[2 * person + 1, [2 * person, 2 * person + 1]] = cosine, np.sqrt(1 - cosine**2)
    vectors[2] = 0.9 * vectors[0]
    vectors[2, 10] = np.sqrt(1 - 0.81)
    vectors[3] = 0.8 * vectors[2]
    vectors[3, 3] = 0.6
    return Enrolment(vectors, np.arange(10), {})


def written(folder: Path, table: str, encoding: str = "utf-8") -> Path:
    path = folder / "groups.csv"
    path.write_text(table, encoding=encoding)
    return path


def rates(folder: Path, table: str, encoding: str = "utf-8") -> dict[str, groups.GroupRates]:
    named = groups.read(written(folder, table, encoding), SET)
    found = enrolment()
    comparisons = evaluating.evaluate(SET, found, None).comparisons
    return {
        group.name: group
        for group in groups.evaluate(named, SET, found, comparisons, [(80.0, 0.7)])
    }


def test_each_group_has_its_own_rates_at_thresholds_of_all(tmp_path: Path) -> None:
    found = rates(tmp_path, "person,group\nann,young\nben,young\ncem,old\ndan,old\n")
    assert list(found) == ["old", "young", groups.NO_GROUP]
    young, old, rest = found["young"], found["old"], found[groups.NO_GROUP]
    assert (young.people, young.photos, young.same_person, young.different_people) == (2, 4, 2, 4)
    assert (rest.people, rest.photos, rest.same_person, rest.different_people) == (1, 2, 1, 0)
    at = young.at_similarities[80.0]
    assert at.false_match
    # ann's two photos are equal: each resembles ben's first by 0.9 and his second by 0.72
    assert (at.false_match.events, at.false_match.count) == (4, 4)
    assert at.false_non_match
    assert (at.false_non_match.events, at.false_non_match.count) == (0, 2)
    at = old.at_similarities[80.0]
    assert at.false_match
    assert (at.false_match.events, at.false_match.count) == (0, 4)
    assert at.false_non_match
    assert (at.false_non_match.events, at.false_non_match.count) == (1, 2)
    assert rest.at_similarities[80.0].false_match is None  # a single person has no comparisons
    # Among 40 comparisons of different people, a rate of 0.01 allows no match.
    assert young.at_false_match_rates == {0.01: None, 0.001: None}


def test_thresholds_by_rate_are_those_of_all_people(tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    people = np.repeat(np.arange(40), 2)
    vectors = generator.normal(size=(80, 32)).astype(np.float32)
    vectors[1::2] = vectors[::2] + 0.5 * vectors[1::2]
    vectors[:40] += 1  # the people of one group are more alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"p{person}" for person in people)
    photo_set = PhotoSet(tuple(Path(name) for name in names), people, None, names)
    table = "".join(f"p{person},{'alike' if person < 20 else 'apart'}\n" for person in range(40))
    named = groups.read(written(tmp_path, "person,group\n" + table), photo_set)
    found = Enrolment(vectors, np.arange(80), {})
    comparisons = evaluating.evaluate(photo_set, found, None).comparisons
    alike, apart = groups.evaluate(named, photo_set, found, comparisons, [])
    scores = vectors @ vectors.T
    different = people[:, None] < people[None, :]
    threshold = np.sort(scores[different])[::-1][int(0.01 * different.sum())]
    for group, inside in ((alike, people < 20), (apart, people >= 20)):
        at = group.at_false_match_rates[0.01]
        assert at
        assert at.false_match
        assert at.false_non_match
        within = different & inside[:, None] & inside[None, :]
        assert at.false_match.events == (scores[within] > threshold).sum()
        genuine = scores[::2, 1::2].diagonal()[inside[::2]]
        assert at.false_non_match.events == (genuine <= threshold).sum()
        assert at.false_match.low <= at.false_match.value <= at.false_match.high
    assert alike.at_false_match_rates[0.01].false_match.value > 0.02  # type: ignore[union-attr]
    assert apart.at_false_match_rates[0.01].false_match.value < 0.01  # type: ignore[union-attr]


def test_photos_without_a_face_are_counted_in_their_group(tmp_path: Path) -> None:
    named = groups.read(written(tmp_path, "person,group\nann,young\n"), SET)
    whole = enrolment()
    found = Enrolment(whole.vectors[1:], whole.taken[1:], {SET.photos[0]: "no face found"})
    comparisons = evaluating.evaluate(SET, found, None).comparisons
    young, rest = groups.evaluate(named, SET, found, comparisons, [(80.0, 0.7)])
    assert (young.people, young.photos, young.not_enrolled, young.same_person) == (1, 2, 1, 0)
    assert (rest.people, rest.photos, rest.not_enrolled) == (4, 8, 0)
    assert young.at_similarities[80.0] == groups.AtThreshold(None, None)


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_as_a_spreadsheet_saves_it_is_read(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    table = "Person ,GROUP,note\r\nann, jünger ,x\r\nann,jünger,again\r\neve.jpg,(no group),\r\n"
    found = rates(tmp_path, table.replace(",", separator), encoding)
    assert {name: group.people for name, group in found.items()} == {"jünger": 1, "(no group)": 4}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "needs a heading with the columns person and group, and a line for each person"),
        ("person,group\n", "needs a heading .* and a line for each person"),
        ("person,age\nann,9\n", "needs a heading with the columns person and group"),
        ("person,group\nann\n", "line 2: a person and a group are needed"),
        ("person,group\nann,a\n ,b\n", "line 3: a person and a group are needed"),
        ('person,group\n\n"ann","a"\n\nfay,b\n', "line 5 names the person fay"),
        ("person,group\nfay,a\n", "line 2 names the person fay, who has no photo"),
        (
            "person,group\nann,a\nann,b\n",
            "line 3 puts ann into the group b, an earlier line into a",
        ),
    ],
)
def test_an_ambiguous_groups_file_is_refused(tmp_path: Path, table: str, complaint: str) -> None:
    with pytest.raises(EvaluationError, match=complaint):
        groups.read(written(tmp_path, table), SET)
    with pytest.raises(EvaluationError, match="is not a readable CSV file"):
        groups.read(written(tmp_path, "person,group\nann,jünger\n", "latin-1"), SET)


def test_a_person_has_the_same_name_however_its_accents_are_written(tmp_path: Path) -> None:
    apart, composed = "Zoe\u0308", "Zo\u00eb"
    for name in (apart, "ann"):
        (tmp_path / "people" / name).mkdir(parents=True)
        (tmp_path / "people" / name / "1.jpg").write_bytes(b"")
    people = sets.read(tmp_path / "people")
    found = groups.read(written(tmp_path, f"person,group\n{composed},a\n"), people)
    assert found.names == ("a", groups.NO_GROUP)
    assert found.of_person[people.people[people.names.index(apart)]] == 0


def test_people_of_a_pairs_file_are_named_by_any_of_their_photos(tmp_path: Path) -> None:
    for number in range(1, 5):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("one,other,same\n1.jpg,2.jpg,1\n2.jpg,3.jpg,1\n3.jpg,4.jpg,0\n")
    photo_set = sets.read(pairs)
    named = groups.read(written(tmp_path, "person,group\n2.jpg,a\n"), photo_set)
    assert [named.names[named.of_person[person]] for person in photo_set.people] == [
        *["a"] * 3,
        groups.NO_GROUP,
    ]
    with pytest.raises(EvaluationError, match=r"puts 3\.jpg into the group b, an earlier line"):
        groups.read(written(tmp_path, "person,group\n2.jpg,a\n3.jpg,b\n"), photo_set)
