"""A live stream whose records continue after each kill."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.campaign.jobs import COLLECTION
from tests.campaign.tally import Tally
from tests.e2e.films import moving
from tests.e2e.restarting import Machine
from tests.e2e.streaming import PATIENCE, Scene, names
from tests.e2e.witnessing import LIVE, Kill, Witness, pushing, unexplained

_SECONDS = 10  # of the film that is pushed in a loop
_DUMP = 2.0  # seconds in which a worker writes its stacks
_FIRST = 5  # records before the first kill


class Camera:
    """A stream processor, a camera that never ends, and a witness of the records."""

    def __init__(self, machine: Machine, tally: Tally) -> None:
        self._machine, self._tally = machine, tally
        self._scene = Scene(machine, COLLECTION)
        self._witness = Witness(self._scene)

    @contextmanager
    def filming(self, portraits: Mapping[str, bytes], folder: Path) -> Iterator[None]:
        """Push the film while the block runs, and start the processor."""
        film = folder / "door.mp4"
        film.write_bytes(moving(dict(portraits), *portraits, seconds=_SECONDS, codec_options=LIVE))
        self._people = set(portraits)
        with pushing(self._machine.url, film, self._scene.name, folder / "push.log"):
            self._scene.start()
            self._witness.watch(PATIENCE, lambda: len(self._witness.records) > _FIRST)
            yield

    def step(self) -> None:
        self._witness.look()
        time.sleep(0.2)

    def killed(self, what: str) -> None:
        """Record a kill, before it happens."""
        self._witness.kills.append(Kill(what, time.time()))

    def finish(self) -> None:
        """Check that records came again after each kill, and that nothing else is missing."""
        witness = self._witness
        witness.watch(PATIENCE, witness.recovered)
        witness.watch(3)
        self._tally.note("stream records", len(witness.records))
        self._tally.check(len(witness.records))
        for kill in witness.kills:
            if not kill.recovered:
                self._tally.lose(f"No stream records came after a kill of the {kill.what}.")
        if not witness.recovered():
            self._log_stacks()
        for state in witness.states:
            if state.split()[0] not in ("STARTING", "RUNNING"):
                self._tally.surprise(f"The stream processor was {state}.")
        if (found := names(witness.records[-10:])) != self._people:
            self._tally.lose(f"The last stream records name {found}, not {self._people}.")
        if witness.recovered():
            for sentence in unexplained(witness):
                self._tally.lose(f"Stream records are missing: {sentence}")

    def _log_stacks(self) -> None:
        """End the workers so that they write the stacks of their threads to the server's log."""
        for worker in self._machine.children("run_stream_processor"):
            with suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGABRT)
        time.sleep(_DUMP)
