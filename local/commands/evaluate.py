"""`facedex models evaluate` and `calibrate`: what a pack makes of the user's own photos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facedex.vision import packs
from facedex.vision.errors import PackMissing
from facedex_models import installing, manifests
from facedex_models.errors import ModelError
from local.evaluation import calibrating, enrolment, evaluating, plots, report, sets
from local.evaluation.enrolment import Enrolment
from local.evaluation.errors import EvaluationError

_pack = click.option(
    "--pack",
    default=manifests.DEFAULT,
    show_default=True,
    envvar="FACEDEX_PACK",
    help="The model pack; see: facedex models list",
)
_threads = click.option(
    "--threads", default=2, show_default=True, type=click.IntRange(1, 256), help="Per photo."
)


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@_pack
@_threads
@click.option(
    "--plots",
    "pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder to write det.png and scores.png to (needs matplotlib).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate(source: Path, pack: str, threads: int, pictures: Path | None, as_json: bool) -> None:
    """Measure error rates on photos whose people are known.

    SOURCE is a folder with a folder per person, or a CSV file of pairs with the columns file_x,
    file_y, Decision (Yes or No), or one, other, same (1 or 0). Photos may also be PGM, PPM, BMP,
    TIFF or WebP files.
    """
    with _plain_errors():
        if pictures:
            plots.require()
        photo_set = sets.read(source)
        loaded = _load(pack, threads)
        enrolled = _enrol(loaded, photo_set.photos)
        result = evaluating.evaluate(photo_set, enrolled, loaded.measured)
        if as_json:
            document = report.document(
                result, model=loaded.model_version, failures=enrolled.failures
            )
            click.echo(json.dumps(document, indent=2))
        else:
            report.print_tables(result, model=loaded.model_version, failures=enrolled.failures)
        if pictures:
            drawn = plots.draw(
                result.comparisons, f"{loaded.model_version} on {source.name}", pictures
            )
            for path in drawn:
                click.echo(path, err=True)


@click.command()
@click.argument(
    "sources",
    metavar="SOURCE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@_pack
@_threads
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file instead of where the pack uses it.",
)
def calibrate(sources: tuple[Path, ...], pack: str, threads: int, out: Path | None) -> None:
    """Measure what a Similarity means on your own photos.

    SOURCE has a folder per person, or one photo of each person. At least 448 different people are
    needed (100,000 comparisons); a folder with several photos each does with fewer. Several
    SOURCEs count equally, however many photos each has: the false match rate is the mean of theirs.

    The calibration is kept with the pack, stays when the pack is pulled again, and is used by
    every search once Facedex is started again. Delete the file to return to the pack's own.
    """
    with _plain_errors():
        photo_sets = [sets.folder_per_person(source) for source in sources]
        loaded = _load(pack, threads)
        enrolled = [_enrol(loaded, photo_set.photos) for photo_set in photo_sets]
        measured = calibrating.calibrate(
            [
                calibrating.Source(found.vectors, photo_set.people[found.taken])
                for photo_set, found in zip(photo_sets, enrolled, strict=True)
            ]
        )
        data = "; ".join(map(_described, sources, photo_sets, enrolled))
        if len(sources) > 1:
            data = f"equally weighted: {data}"
        target = out or installing.pull(pack) / packs.CALIBRATION
        text = calibrating.to_toml(measured, data=data)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_text(text, "utf-8")
        partial.replace(target)
    click.echo(f"{data}: {measured.pairs:,} comparisons of different people.", err=True)
    for twins in measured.twins:
        photos = photo_sets[twins.source].photos
        taken = enrolled[twins.source].taken
        one, other = photos[taken[twins.one]], photos[taken[twins.other]]
        click.echo(f"Left out as one person: {one} and {other} ({twins.cosine:.4f}).", err=True)
    click.echo(target)


def _described(source: Path, photo_set: sets.PhotoSet, enrolled: Enrolment) -> str:
    people = photo_set.people[enrolled.taken]
    return f"{len(people)} photos of {len(np.unique(people))} people in {source.resolve().name}"


def _load(pack: str, threads: int) -> packs.Pack:
    return packs.load(installing.pull(pack), threads=threads)


def _enrol(pack: packs.Pack, files: tuple[Path, ...]) -> Enrolment:
    columns = (
        TextColumn("reading photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(files))
        return enrolment.enrol(pack, files, advance=lambda: bar.update(task, advance=1))


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what went wrong as one sentence, without a traceback."""
    try:
        yield
    except (EvaluationError, ModelError, PackMissing) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}.") from error
