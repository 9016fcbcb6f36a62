"""Measurement of SFace's tables on photos, videos and archives of face crops.

For authors of packs: `python -m facedex_cli.evaluation.sface MODEL SOURCES...` writes the file that
ships with the manifest, and prints its hash. Users of the pack do not need this module.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from facedex.vision.packs import load
from facedex_cli.evaluation.sface.activations import observe
from facedex_cli.evaluation.sface.chips import collect
from facedex_cli.evaluation.sface.measuring import tabulate
from facedex_models import installing, manifests
from facedex_models.sface import tables
from facedex_models.sface.reading import parse

_FILE = Path(manifests.__file__).parent / "packs" / "sface.tables.npz"
_existing = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("model", type=_existing)
@click.argument("sources", nargs=-1, required=True, type=_existing)
def main(model: Path, sources: tuple[Path, ...]) -> None:
    """Measure MODEL, OpenCV Zoo's SFace, on faces in SOURCES and write its tables.

    SOURCES are photos, folders of photos, videos (.mp4), and archives (.zip), of which every 13th
    photo is used.
    """
    network = parse(model.read_bytes())
    chips = collect(load(installing.pull("sface"), threads=2), sources)
    content = tables.write(tabulate(network, observe(network, chips)), network)
    _FILE.write_bytes(content)
    click.echo(f"{len(chips)} chips")
    click.echo(f"{_FILE}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
