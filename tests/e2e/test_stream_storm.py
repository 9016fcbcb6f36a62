"""Records of a camera continue while workers, database and server are killed at random.

``FACEDEX_TEST_KILLS_SECONDS`` says for how long; the issue of it is ten minutes, CI takes less.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.films import Studio, moving
from tests.e2e.restarting import Machine
from tests.e2e.streaming import PATIENCE, Scene, kill, moment, names, workers
from tests.e2e.witnessing import LIVE, Kill, Witness, gaps, pushing, unexplained

SECONDS = float(os.environ.get("FACEDEX_TEST_KILLS_SECONDS", "10"))
CHANCES = ("worker", "worker", "database", "server")
SHORTEST, LONGEST = 4.0, 20.0  # seconds between kills


@pytest.fixture
def machine(tmp_path: Path, pack_directory: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "data", pack_directory)
    yield made
    assert made.server.stop() == 0


def test_a_processor_survives_kills_of_any_process(
    machine: Machine, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    film = tmp_path / "door.mp4"
    film.write_bytes(moving(portraits, *portraits, seconds=10, codec_options=LIVE))
    scene = Scene(machine, Studio(machine.server, portraits).name)
    witness = Witness(scene)
    chance = random.Random(int(SECONDS))
    with pushing(machine.url, film, scene.name, tmp_path / "push.log"):
        scene.start()
        witness.watch(PATIENCE, lambda: len(witness.records) > 10)
        assert witness.states.keys() <= {"STARTING ", "RUNNING "}
        end = time.monotonic() + SECONDS
        first = ["worker", "database", "server"]
        while first or time.monotonic() < end:
            what = first.pop(0) if first else chance.choice(CHANCES)
            witness.kills.append(Kill(what, time.time()))
            if what == "worker":
                kill(workers(machine.server))
            elif what == "database":
                machine.kill_database()
            else:
                machine.kill()
            left = end - time.monotonic()
            witness.watch(min(chance.uniform(SHORTEST, LONGEST), max(left, SHORTEST)))
        witness.watch(PATIENCE, witness.recovered)
        witness.watch(3)
    report(witness)
    assert witness.recovered()
    assert scene.describe()["Status"] == "RUNNING"
    assert {state.split()[0] for state in witness.states} <= {"STARTING", "RUNNING"}
    assert names(witness.records[-10:]) == set(portraits)
    assert list(unexplained(witness)) == []
    scene.stop()


def report(witness: Witness) -> None:
    for what in ("worker", "database", "server"):
        took = [kill.recovered - kill.at for kill in witness.kills if kill.what == what]
        print(
            f"{len(took)} x {what} killed: back after {statistics.median(took):.1f} s"
            f" (median), {max(took):.1f} s (longest)"
        )
    different = len({moment(record) for record in witness.records})
    print(f"{len(witness.records)} records, {len(witness.records) - different} of them twice")
    print(f"states {dict(witness.states)}")
    for gap in gaps(witness):
        killed = ", ".join(kill.what for kill in gap.kills(witness))
        print(f"{gap.length:.1f} s missing after: {killed}; the next record says {gap.said:.1f}")
