"""Record the wheels of the pins: ``python -m infra.packages.locking``.

Run it when a pin of ``constraints.txt`` changes, review the result and commit it: after that, other
bytes under the same name and version are refused.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from facedex_models.package_index import explain, run_pip
from infra.packages.distributions import WHEELS, pins, pip_options
from infra.packages.layout import layout
from infra.packages.targets import PackageError, Target, targets

_HEAD = """\
# SHA-256 of the wheels that packages are made of, by their pins in constraints.txt, for every
# platform and Python that there are packages for. Written by: python -m infra.packages.locking
"""


def pinned(target: Target) -> list[str]:
    """Return the pins of everything in a layer for the target."""
    return pins([name for row in layout().values() for name in row.packages], target)


def written(hashes: Mapping[str, Iterable[str]]) -> str:
    """Return the table of wheels in its file."""
    lines = [_HEAD]
    for pin in sorted(hashes):
        lines.append(f'"{pin}" = [\n' + "".join(f'    "{each}",\n' for each in sorted(hashes[pin])))
        lines.append("]\n")
    return "".join(lines)


def ask_for_hashes() -> dict[str, set[str]]:
    """Return the hashes of the wheels that pip would choose, without downloading any.

    Raises:
        PackageError: if the index cannot be reached, or has no wheel for a target.
    """
    found: dict[str, set[str]] = {}
    for target in targets():
        wanted = pinned(target)
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch) / "report.json"
            lines, status = run_pip(
                [
                    "install",
                    "--dry-run",
                    "--ignore-installed",
                    f"--report={report}",
                    f"--target={scratch}/nowhere",
                    *pip_options(target),
                    *wanted,
                ],
                temporary=Path(scratch),
            )
            if status:
                raise PackageError(f"The wheels for {target} could not be found: {explain(lines)}.")
            items = json.loads(report.read_text("utf-8"))["install"]
        digests = {
            canonicalize_name(item["metadata"]["name"]): item["download_info"]["archive_info"]
            for item in items
        }
        for pin in wanted:
            archive = digests[canonicalize_name(Requirement(pin).name)]
            found.setdefault(pin, set()).add(archive["hashes"]["sha256"])
    return found


def main() -> int:
    """Write the table.

    Returns:
        the exit status.
    """
    try:
        WHEELS.write_text(written(ask_for_hashes()), "utf-8")
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
