"""Plots of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facedex.printing import printable
from facedex_cli.evaluation import metrics
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.metrics import Comparisons

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILES = ("det.png", "scores.png")
TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)


def require() -> None:
    """Check that matplotlib is installed.

    Raises:
        EvaluationError: if it is not.
    """
    try:
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise EvaluationError(
            "The plots need matplotlib; install it with pip install matplotlib, or omit --plots."
        ) from error


def draw(comparisons: Comparisons, title: str, folder: Path) -> list[Path]:
    """Write the DET curve and the histogram of scores as PNG.

    Args:
        comparisons: the comparisons.
        title: title of the plots.
        folder: where the files are written; created if necessary.

    Returns:
        The paths of the files.

    Raises:
        EvaluationError: if matplotlib is not installed.
    """
    require()
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in FILES]
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    matched, missed = metrics.detection_error_tradeoff(comparisons)
    # A logarithmic axis has no zero: zero errors among n are drawn as half an error.
    lowest = 1 / max(len(comparisons.genuine), 1) / 2
    axes.plot(matched, np.maximum(missed, lowest), drawstyle="steps-post")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="false match rate",
        ylabel="false non-match rate",
    )
    _entitle(axes, title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(TICKS, [f"{100 * tick:g} %" for tick in TICKS])
    axes.set_xlim(matched.min() / 1.1, 1.1)
    axes.set_ylim(lowest, 1.1)
    axes.grid(visible=True, alpha=0.3)
    figure.savefig(paths[0], dpi=120)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(comparisons.scores.min(), max(comparisons.scores.max(), 1e-9), 80)
    for scores, name in (
        (comparisons.impostor, "different people"),
        (comparisons.genuine, "same person"),
    ):
        axes.hist(scores, bins=bins.tolist(), density=True, alpha=0.6, label=name)
    axes.set(xlabel="inner product of vectors", ylabel="density")
    _entitle(axes, title)
    axes.legend()
    figure.savefig(paths[1], dpi=120)
    return paths


def _entitle(axes: Axes, title: str) -> None:
    """Set the title as it is: a folder's name may look like a formula, or not be UTF-8."""
    axes.set_title(printable(title), parse_math=False)
