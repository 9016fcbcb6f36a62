"""`facedex models evaluate` and `calibrate`: what a pack makes of the user's own photos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facedex.printing import printable
from facedex.vision import packs
from facedex.vision.errors import PackMissing
from facedex_cli.evaluation import (
    calibrating,
    enrolment,
    evaluating,
    groups,
    identification,
    photos,
    plots,
    report,
    sets,
)
from facedex_cli.evaluation.enrolment import Enrolment
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.photos import Photo
from facedex_models import installing, manifests
from facedex_models.errors import ModelError

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
    "--groups",
    "groups_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file with the columns person,group: print error rates for each group too.",
)
@click.option(
    "--strangers",
    "strangers_source",
    metavar="FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="A folder or .zip file of photos of other people: search among them too.",
)
@click.option(
    "--enrolled",
    metavar="N",
    type=click.IntRange(min=0),
    help="How many strangers to enrol.  [default: half of them]",
)
@click.option(
    "--plots",
    "pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder to write det.png and scores.png to (needs matplotlib).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate(
    source: Path,
    pack: str,
    threads: int,
    groups_file: Path | None,
    strangers_source: Path | None,
    enrolled: int | None,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Measure error rates on photos whose people are known.

    SOURCE is a folder with a folder per person, or a CSV file of pairs with the columns file_x,
    file_y, Decision (Yes or No), or one, other, same (1 or 0). Photos may also be PGM, PPM, BMP,
    TIFF or WebP files.

    --groups shows how error rates differ between groups of people, such as ages. The person is the
    name of the person's folder, or of the photo that stands beside the folders; for a pairs file,
    a photo as the pairs file names it. False matches are counted among different people of one
    group. Thresholds are the same for all groups. People that the file leaves out are one group.

    --strangers measures searches for people who may not be enrolled (open-set identification).
    Everybody's first photo is enrolled, and of the strangers, in the order of their paths, the
    first, third, fifth and so on. All other photos are searched. A search of a stranger should have
    no match; one of the others misses if the best match is another person or below the threshold.
    Each stranger's photo must be of another person, none of them in SOURCE.
    """
    if enrolled is not None and not strangers_source:
        raise click.UsageError("--enrolled says how many strangers to enrol; name --strangers too.")
    with _plain_errors():
        if pictures:
            plots.require()
        photo_set = sets.read(source)
        named = groups.read(groups_file, photo_set) if groups_file else None
        strangers = None
        if strangers_source:
            identification.require_folders(photo_set)
            strangers = identification.split(photos.found(strangers_source), enrolled)
        loaded = _load(pack, threads)
        known = _enrol(loaded, photo_set.photos)
        result = evaluating.evaluate(photo_set, known, loaded.measured)
        thresholds = evaluating.thresholds(loaded.measured)
        found = report.Report(loaded.model_version, result, known.failures)
        if named:
            rates = groups.evaluate(named, photo_set, known, result.comparisons, thresholds)
            found = replace(found, groups=rates)
        if strangers:
            gallery, probes = (
                _enrol(loaded, part) for part in (strangers.enrolled, strangers.searched)
            )
            found = replace(
                found,
                identification=identification.evaluate(
                    known.vectors,
                    photo_set.people[known.taken],
                    gallery.vectors,
                    probes.vectors,
                    thresholds,
                ),
                strangers_failures=gallery.failures | probes.failures,
            )
        if as_json:
            click.echo(json.dumps(found.document(), indent=2))
        else:
            found.print_tables()
        if pictures:
            title = f"{loaded.model_version} on {source.name}"
            for path in plots.draw(result.comparisons, title, pictures):
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
@click.option(
    "--weights",
    metavar="N,N,...",
    help="How much each SOURCE counts, such as 12,1; equally if not given.",
)
def calibrate(
    sources: tuple[Path, ...], pack: str, threads: int, out: Path | None, weights: str | None
) -> None:
    """Measure what a Similarity means on your own photos.

    SOURCE has a folder per person, or one photo of each person. At least 448 different people are
    needed (100,000 comparisons); a folder with several photos each does with fewer. Several
    SOURCEs count equally, or by --weights, however many photos each has: the false match rate is
    the mean of theirs.

    The calibration is kept with the pack, stays when the pack is pulled again, and is used by
    every search once Facedex is started again. Delete the file to return to the pack's own.
    """
    shares = _weights(weights, len(sources))
    with _plain_errors():
        photo_sets = [sets.folder_per_person(source) for source in sources]
        loaded = _load(pack, threads)
        enrolled = [_enrol(loaded, photo_set.photos) for photo_set in photo_sets]
        measured = calibrating.calibrate(
            [
                calibrating.Source(found.vectors, photo_set.people[found.taken], weight=weight)
                for photo_set, found, weight in zip(photo_sets, enrolled, shares, strict=True)
            ]
        )
        data = "; ".join(map(_described, sources, photo_sets, enrolled))
        if len(sources) > 1:
            data = f"weighted {weights or 'equally'}: {data}"
        target = out or installing.pull(pack) / packs.CALIBRATION
        text = calibrating.to_toml(measured, data=data)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_text(text, "utf-8")
        partial.replace(target)
    click.echo(f"{data}: {measured.pairs:,} comparisons of different people.", err=True)
    for twins in measured.twins:
        files, taken = photo_sets[twins.source].photos, enrolled[twins.source].taken
        one, other = files[taken[twins.one]], files[taken[twins.other]]
        line = f"Left out as one person: {one} and {other} ({twins.cosine:.4f})."
        click.echo(printable(line), err=True)
    click.echo(target)


def _weights(text: str | None, count: int) -> list[float]:
    if text is None:
        return [1.0] * count
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(0 < value < float("inf") for value in values):
        raise click.UsageError(f"--weights takes {count} numbers above 0, such as 12,1.")
    return values


def _described(source: Path, photo_set: sets.PhotoSet, enrolled: Enrolment) -> str:
    people = photo_set.people[enrolled.taken]
    return f"{len(people)} photos of {len(np.unique(people))} people in {source.resolve().name}"


def _load(pack: str, threads: int) -> packs.Pack:
    return packs.load(installing.pull(pack), threads=threads)


def _enrol(pack: packs.Pack, files: Sequence[Photo]) -> Enrolment:
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
        raise click.ClickException(printable(str(error))) from error
    except OSError as error:
        message = f"{error.filename}: {error.strerror}."
        raise click.ClickException(printable(message)) from error
