"""What ``cdk`` runs: the app, or one sentence about what it lacks."""

from __future__ import annotations

import sys


def main() -> int:
    """Synthesise.

    Returns:
        the exit status.
    """
    try:
        from infra import app
    except ModuleNotFoundError as error:
        print(
            f"facedex: {sys.executable} has no {error.name}; make the project's environment first:"
            " python3 -m venv --without-pip .venv && python3 -m pip --python .venv/bin/python"
            ' install -c constraints.txt -e ".[local,infra]"',
            file=sys.stderr,
        )
        return 1
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
