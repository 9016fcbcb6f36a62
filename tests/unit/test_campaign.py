"""The campaign's own parts: its oracle, its damage to files, and its judgement of requests."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from PIL import Image
from rich.console import Console

from tests.campaign.display import print_report
from tests.campaign.mutations import mutate, pieces
from tests.campaign.oracle import Oracle, adding, removing
from tests.campaign.requests import Signed, sign
from tests.campaign.tally import Kind, Tally, failed, read_incident
from tests.media import making

ANN, BOB = ("face", "ann"), ("face", "bob")


def test_a_missing_face_and_a_deleted_one_that_is_found_are_reported() -> None:
    oracle = Oracle()
    oracle.acknowledge(adding(ANN, BOB))
    oracle.acknowledge(removing(BOB))
    assert oracle.observe(frozenset({BOB})) == (frozenset({ANN}), frozenset({BOB}))


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_write_without_an_answer_may_be_carried_out_or_not(carried_out: bool) -> None:
    oracle = Oracle()
    oracle.doubt(adding(ANN, BOB))
    seen = frozenset({ANN, BOB} if carried_out else ())
    assert oracle.observe(seen) == (frozenset(), frozenset())
    assert oracle.state == seen


def test_half_of_a_write_without_an_answer_is_reported() -> None:
    oracle = Oracle()
    oracle.doubt(adding(ANN, BOB))
    missing, wrong = oracle.observe(frozenset({ANN}))
    assert missing or wrong


def test_a_decided_doubt_stays_decided() -> None:
    oracle = Oracle()
    oracle.doubt(adding(ANN))
    oracle.observe(frozenset({ANN}))
    assert oracle.observe(frozenset()) == (frozenset({ANN}), frozenset())


def _files() -> list[bytes]:
    found = []
    for kind in ("JPEG", "PNG"):
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 50).save(buffer, kind)
        found.append(buffer.getvalue())
    return [*found, making.film(making.steady(3)), b"neither a picture nor a film" * 40]


@pytest.mark.parametrize("number", range(4))
def test_the_pieces_of_a_file_are_the_file(number: int) -> None:
    file = _files()[number]
    assert b"".join(pieces(file)) == file
    assert len(pieces(file)) > 2


def test_damage_depends_on_the_seed_alone() -> None:
    files = _files()

    def damaged() -> list[bytes]:
        random = Random("seed/images/7")
        return [mutate(file, random, files) for file in files for _ in range(50)]

    assert damaged() == damaged()
    assert len(set(damaged())) > 100


@pytest.fixture
def request_() -> Signed:
    headers = {"Content-Type": "application/json", "X-Amz-Target": "Service.Operation"}
    return sign("http://h", ("id", "secret"), "POST", "/a?b=1&c=2", body=b"{}", headers=headers)


def test_a_request_in_another_form_has_the_same_essence(request_: Signed) -> None:
    reordered = replace(
        request_,
        target="/a?c=2&b=1",
        headers=tuple((name.upper(), f" {value} ") for name, value in reversed(request_.headers)),
    )
    assert reordered.essence() == request_.essence()


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"target": "/a?b=1&c=3"},
        {"target": "/A?b=1&c=2"},
        {"body": b"[]"},
        {"headers": ()},
    ],
)
def test_a_request_that_means_something_else_has_another_essence(
    request_: Signed, changed: dict[str, object]
) -> None:
    assert replace(request_, **changed).essence() != request_.essence()  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["X-Amz-Signature", "X-%41mz-Signature"])
def test_a_presigned_url_of_s3_does_not_cover_the_body(written: str) -> None:
    key = ("id", "secret")
    request = sign("http://h", key, "PUT", "/b/k", body=b"photo", service="s3", presigned=True)
    other = replace(
        request, target=request.target.replace("X-Amz-Signature", written), body=b"another"
    )
    assert other.essence() == request.essence()


def test_every_covered_header_belongs_to_the_essence(request_: Signed) -> None:
    for at, (name, value) in enumerate(request_.headers):
        if name == "Content-Length":
            continue
        headers = list(request_.headers)
        headers[at] = (name, value.replace("e", "E", 1) + "0")
        assert request_.with_headers(*headers).essence() != request_.essence(), name
    another = request_.with_headers(*request_.headers, ("X-Amz-Another", "1"))
    assert another.essence() != request_.essence()


def test_an_incident_fails_the_campaign_and_is_saved_with_its_input(tmp_path: Path) -> None:
    tally, good = Tally("images", "seed", tmp_path), Tally("films", "seed", tmp_path)
    assert not failed([tally, good])
    tally.surprise("It answered 500.", 3, b"input")
    assert failed([tally, good])
    assert read_incident(tmp_path / "images-1.json") == tally.incidents[0]
    assert (tmp_path / "images-1.input").read_bytes() == b"input"
    assert (tally.count(Kind.UNEXPECTED), tally.count(Kind.LOST)) == (1, 0)
    output = io.StringIO()
    print_report("seed", [tally, good], Console(file=output))
    assert "unexpected in images (attempt 3): It answered 500." in output.getvalue()
