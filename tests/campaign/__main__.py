"""``python -m tests.campaign --minutes 10``: run the campaign, and print what was lost."""

from __future__ import annotations

import argparse
import resource
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from facedex_cli.demo import portraits
from facedex_models import installing
from tests.campaign.display import print_report, progress
from tests.campaign.parts import PARTS
from tests.campaign.stage import Part, PartSkipped, Stage, describe
from tests.campaign.tally import Tally, failed, read_incident

_FILES = 8192  # open files, for thousands of connections


def main() -> int:
    """Run the parts one after another, and return the exit status."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="duration of all parts together")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="seed of the random choices")
    parser.add_argument("--parts", default=",".join(names), help="comma-separated names of parts")
    parser.add_argument("--out", type=Path, help="folder for the inputs of incidents")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="repeat a saved incident")
    options = parser.parse_args()
    if unknown := set(options.parts.split(",")) - set(names):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {names}")

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _FILES), most))
    out = options.out or Path(tempfile.mkdtemp(prefix="facedex-campaign-"))
    if options.replay:
        return _replay(options.replay, options.minutes, out)
    print(f"campaign with seed {options.seed}", flush=True)
    chosen = [part for part in PARTS if part.name in options.parts.split(",")]
    whole = sum(part.share for part in chosen)
    tallies = []
    for part in chosen:
        seconds = 60 * options.minutes * part.share / whole
        tallies.append(_run(part, options.seed, seconds, out, part.run))
    print_report(options.seed, tallies)
    if failed(tallies):
        print(f"The incidents and their inputs are in {out}", file=sys.stderr)
    return int(failed(tallies))


def _replay(file: Path, minutes: float, out: Path) -> int:
    incident = read_incident(file)
    part = next(part for part in PARTS if part.name == incident.part)
    tally = _run(
        part,
        incident.seed,
        60 * minutes,
        out,
        lambda stage, tally: part.replay(stage, tally, incident.number),
    )
    print_report(incident.seed, [tally])
    return int(failed([tally]))


def _run(
    part: Part, seed: str, seconds: float, out: Path, work: Callable[[Stage, Tally], None]
) -> Tally:
    tally = Tally(part.name, seed, out)
    with tempfile.TemporaryDirectory(prefix=f"facedex-{part.name}-") as folder:
        # Postgres may run as another account, which has to reach its files.
        Path(folder).chmod(0o755)
        stage = Stage(
            seed=seed,
            part=part.name,
            seconds=seconds,
            folder=Path(folder),
            pack_directory=installing.pull(),
            portraits=portraits.fetch(),
        )
        with progress(stage, tally):
            try:
                work(stage, tally)
            except PartSkipped as reason:
                tally.skipped = str(reason)
            except Exception as error:
                tally.surprise(f"The part ended early: {describe(error)}")
        if tally.incidents:
            for log in stage.folder.rglob("*.log"):
                shutil.copy(log, out / f"{part.name}-{log.name}")
    return tally


if __name__ == "__main__":
    sys.exit(main())
