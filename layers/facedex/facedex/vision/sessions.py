"""The one owner of ONNX Runtime sessions."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facedex.vision.errors import PackMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_lock = threading.Lock()
_opened: dict[tuple[Path, int], InferenceSession] = {}


class Network:
    """A network with one input, opened when first run, once per process and thread count.

    It may be run by several threads at once.

    Attributes:
        threads: how many work on one batch.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self.threads = threads
        self._key = path.resolve(), threads

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Return every output for the input `batch`."""
        session, entry = self._opened
        outputs: list[NDArray[Any]] = session.run(None, {entry: batch})
        return outputs

    @cached_property
    def _opened(self) -> tuple[InferenceSession, str]:
        """The session and its input's name."""
        session = self.open()
        return session, session.get_inputs()[0].name

    def run_by_name(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return every output for the input `batch` under the name that the network gives it."""
        names = [output.name for output in self.open().get_outputs()]
        return dict(zip(names, self.run(batch), strict=True))

    @property
    def axes(self) -> list[int | str | None]:
        """The axes that the input declares; one of free length is no number."""
        axes: list[int | str | None] = self.open().get_inputs()[0].shape
        return axes

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows and columns of the pictures it takes, or None where it takes any."""
        rows, columns = self.axes[2:]
        return (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None

    def fit(self, side: int) -> int:
        """Return the longest side, at most `side`, of a picture that it can take."""
        return min(side, *self.size) if self.size else side

    def open(self) -> InferenceSession:
        """Return the session, loading the file if that has not been done yet.

        Raises PackMissing where there is no file.
        """
        with _lock:
            if self._key not in _opened:
                _opened[self._key] = _open(*self._key)
            return _opened[self._key]


def _open(path: Path, threads: int) -> InferenceSession:
    if not path.is_file():
        raise PackMissing.at(path.parent)
    # Imported here, so that functions without images never pay for it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that waits by spinning takes the core from the next request.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
