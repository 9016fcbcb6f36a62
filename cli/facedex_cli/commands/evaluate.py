"""`facedex models evaluate` and `calibrate`: measure a pack on the user's own photos."""

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

from facedex.printing import counted, printable
from facedex.vision import packs
from facedex.vision.vision_errors import PackMissing
from facedex_cli.commands.downloads import progress_bar
from facedex_cli.commands.outputs import require_writable
from facedex_cli.evaluation import (
    calibrating,
    enrolment,
    evaluating,
    groups,
    identification,
    memory,
    photos,
    plots,
    report,
    sets,
)
from facedex_cli.evaluation.enrolment import Enrolment
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.photos import Photo
from facedex_models import installing, manifests
from facedex_models.model_errors import ModelError

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
    help="A CSV file with the columns person,group; error rates are printed for each group too.",
)
@click.option(
    "--strangers",
    "strangers_source",
    metavar="FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="A folder or .zip file with photos of other people; they are enrolled and searched too.",
)
@click.option(
    "--enrolled",
    metavar="N",
    type=click.IntRange(min=0),
    help="Number of strangers to enrol.  [default: half of them]",
)
@click.option(
    "--plots",
    "pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for det.png and scores.png (needs matplotlib).",
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
    """Measure error rates on photos of known people.

    SOURCE is a folder with a folder per person, or a CSV file of pairs with the columns file_x,
    file_y, Decision (Yes or No), or one, other, same (1 or 0). Photos may also be PGM, PPM, BMP,
    TIFF or WebP files.

    --groups shows how error rates differ between groups of people, such as ages. The person is the
    name of the person's folder, or of the photo if it is not in a folder; for a pairs file, it is
    the photo as the pairs file names it. False matches are counted among different people of the
    same group. Thresholds are the same for all groups. People that the file does not name form a
    separate group.

    --strangers measures searches for people who may not be enrolled (open-set identification).
    Each person's first photo is enrolled, and of the strangers, in the order of their paths, the
    first, third, fifth and so on. All other photos are searched. A search for a stranger should
    have no match; a search for an enrolled person fails if the best match is another person or
    below the threshold. There must be one photo of each stranger, and no stranger in SOURCE.
    """
    if enrolled is not None and not strangers_source:
        raise click.UsageError("--enrolled is the number of strangers to enrol; add --strangers.")
    with _plain_errors():
        if pictures:
            plots.require()
            pictures.mkdir(parents=True, exist_ok=True)
            for name in plots.FILES:
                require_writable(pictures / name, "The plot")
        photo_set = sets.read(source)
        if photo_set.pairs is None:
            memory.require([len(photo_set.photos)])
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
            title = f"{loaded.model_version} on {source.resolve().name}"
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
    help="File for the calibration, instead of the pack's folder.",
)
@click.option(
    "--weights",
    metavar="N,N,...",
    help="Weight of each SOURCE, such as 12,1.  [default: equal]",
)
def calibrate(
    sources: tuple[Path, ...], pack: str, threads: int, out: Path | None, weights: str | None
) -> None:
    """Calibrate Similarity on your own photos.

    SOURCE has a folder per person, or one photo of each person. At least 448 different people are
    needed (100,000 comparisons), or fewer if there are several photos of each. Several SOURCEs
    count equally, or by --weights, independent of their numbers of photos: the false match rate is
    the mean of theirs.

    The calibration is stored in the pack's folder and stays when the pack is pulled again. All
    searches use it after a restart of Facedex. Delete the file to return to the pack's own
    calibration.
    """
    shares = _weights(weights, len(sources))
    with _plain_errors():
        photo_sets = [sets.folder_per_person(source) for source in sources]
        memory.require(len(photo_set.photos) for photo_set in photo_sets)
        target = out or _install(pack) / packs.CALIBRATION
        partial = target.with_name(f".{target.name}.partial")
        require_writable(partial, "The calibration")
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
        partial.write_text(calibrating.to_toml(measured, data=data), "utf-8")
        partial.replace(target)
    line = f"{data}: {measured.pairs:,} comparisons of different people."
    click.echo(printable(line), err=True)
    for twins in measured.twins:
        files, taken = photo_sets[twins.source].photos, enrolled[twins.source].taken
        one, other = files[taken[twins.one]], files[taken[twins.other]]
        line = f"Excluded as the same person: {one} and {other} ({twins.cosine:.4f})."
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
        raise click.UsageError(f"--weights needs {count} numbers above 0, such as 12,1.")
    return values


def _described(source: Path, photo_set: sets.PhotoSet, enrolled: Enrolment) -> str:
    people = photo_set.people[enrolled.taken]
    persons = counted(len(np.unique(people)), "person", "people")
    return f"{counted(len(people), 'photo')} of {persons} in {source.resolve().name}"


def _load(pack: str, threads: int) -> packs.Pack:
    return packs.load(_install(pack), threads=threads)


def _install(pack: str) -> Path:
    with progress_bar() as progress:
        return installing.install(manifests.manifest(pack), progress=progress)


def _enrol(pack: packs.Pack, files: Sequence[Photo]) -> Enrolment:
    columns = (
        TextColumn("reading photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # Without a terminal, a transient bar would leave an empty line.
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown as bar:
        task = bar.add_task("", total=len(files))
        return enrolment.enrol(pack, files, advance=lambda: bar.update(task, advance=1))


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show errors as one sentence, without a traceback."""
    try:
        yield
    except (EvaluationError, ModelError, PackMissing) as error:
        raise click.ClickException(printable(str(error))) from error
    except MemoryError as error:
        raise click.ClickException(
            "There is not enough memory to compare all photos; use fewer."
        ) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}."
        raise click.ClickException(printable(message)) from error
