"""Networks and their ONNX Runtime sessions."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from facedex.observability import metrics
from facedex.observability.recording import timed
from facedex.turns import Turns
from facedex.vision.allocator import trimmer
from facedex.vision.vision_errors import PackMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession, RunOptions, SessionOptions

# Hashes of the files that were pulled into the folder, in the format of `sha256sum --check`.
_SUMS = "SHA256SUMS"


# Each run has its own memory for the results of the layers, up to 200 MB. More runs at once than
# processors would take more of it and no less time.
running: Final = Turns(os.cpu_count() or 1)
_LARGE: Final = 1_000_000  # numbers in a batch, above a picture of 640 x 480
_SPINNING: Final = 10  # microseconds
_BOUNDED_SPINNING: Final = (1, 27)  # the ONNX Runtime from which on spinning has a limit


class Network:
    """A network with one input, which is loaded when it is first run.

    Several threads may run it concurrently. In a process, as many runs as there are processors
    happen at once; others wait. The session is freed with the network.

    Attributes:
        threads: ONNX Runtime threads for each batch.
    """

    def __init__(self, path: Path, *, threads: int, planned: bool = True) -> None:
        """Name the network's file; it is read when the network is first run.

        Args:
            path: the file.
            threads: ONNX Runtime threads for each batch.
            planned: whether all results of the layers have a place of their own in one block of
                memory, or each takes what was freed last. The second is still in the processor's
                cache: a network that is small enough then takes a few hundredths less time.
        """
        self.threads = threads
        self._planned = planned
        self._path = path
        # Read now, with the pack's manifest: another version of the pack may be put here before
        # the network is first run.
        self._digest = _recorded(path)
        self._labels = (path.parent.name, path.stem)  # the pack's name and the network's
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None
        self._smallest: NDArray[Any] | None = None

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Return every output for the input `batch`."""
        return self.run_each([batch])[0]

    def run_each(self, batches: Sequence[NDArray[Any]]) -> list[list[NDArray[Any]]]:
        """Return every output for each of several inputs, which are run one after the other."""
        outputs = self._run(batches)
        for batch in batches:
            if self._smallest is None or batch.size < self._smallest.size:
                self._smallest = np.zeros_like(batch)
        if any(batch.size > _LARGE for batch in batches):
            trimmer.trim_later(self)
        return outputs

    def release(self) -> None:
        """Release the memory of large runs that ONNX Runtime keeps for the next one."""
        # It does so at the end of a run only. The smallest batch so far is the cheapest.
        if self._smallest is None:
            return
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._run([self._smallest], options)

    def _run(
        self, batches: Sequence[NDArray[Any]], options: RunOptions | None = None
    ) -> list[list[NDArray[Any]]]:
        session, entry = self._opened
        outputs: list[list[NDArray[Any]]] = []
        with running.hold(1):
            for batch in batches:
                with timed(metrics.INFERENCE_DURATION, *self._labels):
                    outputs.append(session.run(None, {entry: batch}, options))
        return outputs

    @cached_property
    def _opened(self) -> tuple[InferenceSession, str]:
        """The session and the name of its input."""
        session = self.open()
        return session, session.get_inputs()[0].name

    def run_by_name(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return every output for the input `batch`, by name."""
        names = [output.name for output in self.open().get_outputs()]
        return dict(zip(names, self.run(batch), strict=True))

    @property
    def axes(self) -> list[int | str | None]:
        """The input's declared axes; an axis of variable length is not an integer."""
        axes: list[int | str | None] = self.open().get_inputs()[0].shape
        return axes

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows and columns of the images that the network requires; None if it accepts any."""
        rows, columns = self.axes[2:]
        return (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None

    def fit(self, side: int) -> int:
        """Return the longest side, at most `side`, of an image that the network accepts."""
        return min(side, *self.size) if self.size else side

    def open(self) -> InferenceSession:
        """Return the session; load the file on the first call.

        Raises:
            PackMissing: if the file does not exist, or is not the one that was pulled when the
                network was created.
        """
        with self._lock:
            if self._session is None:
                self._session = _open(self._path, self._digest, self.threads, self._planned)
            return self._session


def let_spin(options: SessionOptions, version: str) -> None:
    """Let threads that wait for the next layer spin for a moment, and then sleep.

    Waking a thread takes longer than many layers. Threads that spin for longer would take CPU time
    from other requests.

    Args:
        options: of a session; changed.
        version: of ONNX Runtime. Older ones cannot limit the time, so their threads never spin.
    """
    bounded = tuple(int(part) for part in version.split(".")[:2]) >= _BOUNDED_SPINNING
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(bounded)))
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPINNING))


def _open(path: Path, digest: str | None, threads: int, planned: bool) -> InferenceSession:
    _require_sound(path, digest)
    # Imported here, so that functions without images do not load it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = planned
    options.log_severity_level = 3
    let_spin(options, onnxruntime.__version__)
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        raise PackMissing.unusable(path) from error


def _recorded(path: Path) -> str | None:
    """Return the hash of a file that was recorded when it was pulled, or None if none was."""
    try:
        lines = (path.parent / _SUMS).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    recorded = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return recorded.get(path.name, "")


def _require_sound(path: Path, digest: str | None) -> None:
    """Check a file against its recorded hash, if there is one.

    Altered weights, or those of another version, could still load and fill collections with vectors
    that match no face.

    Raises:
        PackMissing: if the file does not exist, or has another hash.
    """
    if not path.is_file():
        raise PackMissing.at(path.parent)
    if digest is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == digest:
        return
    if found == _recorded(path):
        raise PackMissing.replaced(path.parent)
    raise PackMissing.damaged(path)
