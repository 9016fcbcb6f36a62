"""The measurements on photos that ship with the manifest for the 8-bit network.

For each layer: the steps of its output's bytes, the means of its output, and the covariance of its
input. Neither weights nor photos can be derived from the tables.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facedex_models.model_errors import UnreadableModel
from facedex_models.sface.network import Doubles, Layer, Network

# Names in the archive, after the layer's own.
_PARTS = ("steps", "zeros", "means", "factors", "rest")


@dataclass(frozen=True, eq=False)
class Spread:
    """A covariance of n values: factors · factorsᵀ + diag(rest)."""

    factors: Doubles  # (n, r)
    rest: Doubles  # (n,)

    def scaled(self, by: Doubles) -> Spread:
        """Return the covariance of the values multiplied by `by` (n,)."""
        return Spread(self.factors * by[:, None], self.rest * by**2)


@dataclass(frozen=True, eq=False)
class Table:
    """The measurements of one layer."""

    steps: Doubles  # (out,): an output byte b means (b - zero) · step
    zeros: Doubles  # (out,): the byte that means 0; in some channels a fraction
    means: Doubles  # (out,): of the output
    given: Spread  # of (in · k · k,) pixels, of (in,) values, or of a window's (k · k,)


def read(content: bytes, network: Network) -> tuple[Table, ...]:
    """Return a table for each layer of the network.

    Args:
        content: content of the tables' file.
        network: the network.

    Raises:
        UnreadableModel: if the content is not that of this network's tables.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            stored = {name: archive[name].astype(np.float64) for name in archive.files}
        tables = tuple(
            _table(*(stored.pop(f"{layer.name}.{part}") for part in _PARTS))
            for layer in network.layers
        )
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableModel(
            "The tables of SFace's 8 bits are not tables of its layers."
        ) from error
    if stored or not all(map(_fits, tables, widths(network), network.layers)):
        raise UnreadableModel("The tables of SFace's 8 bits are those of another network.")
    return tables


def write(tables: Sequence[Table], network: Network) -> bytes:
    """Return the tables as the content of a file, in half precision."""
    arrays = {
        f"{layer.name}.{part}": values.astype(np.float16)
        for layer, table in zip(network.layers, tables, strict=True)
        for part, values in zip(
            _PARTS,
            (table.steps, table.zeros, table.means, table.given.factors, table.given.rest),
            strict=True,
        )
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def widths(network: Network) -> list[int]:
    """Return the width of the covariance in each layer's table."""
    return [int(np.prod(layer.weights.shape[1:])) for layer in network.layers]


def _table(
    steps: Doubles, zeros: Doubles, means: Doubles, factors: Doubles, rest: Doubles
) -> Table:
    return Table(steps, zeros, means, Spread(factors, rest))


def _fits(table: Table, width: int, layer: Layer) -> bool:
    shapes = {table.steps.shape, table.zeros.shape, table.means.shape}
    values = (table.steps, table.zeros, table.means, table.given.factors, table.given.rest)
    return (
        shapes == {(layer.channels,)}
        and table.given.rest.shape == (width,)
        and table.given.factors.ndim == 2
        and len(table.given.factors) == width
        and all(np.isfinite(each).all() for each in values)
        and bool((table.steps > 0).all() and (table.given.rest >= 0).all())
        and bool((table.zeros >= 0).all() and (table.zeros <= 255).all())
        and (layer.depthwise or bool((table.zeros == table.zeros[0]).all()))
    )
