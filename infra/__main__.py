"""Entry point of ``cdk``: run the app, or print one sentence about what is not installed."""

from __future__ import annotations

import sys


def main() -> int:
    """Write the stack's template.

    Returns:
        the exit status.
    """
    try:
        from infra import app
    except ModuleNotFoundError as error:
        print(
            f"facedex: {sys.executable} has no {error.name}; make the project's environment first:"
            " python3 -m venv --without-pip .venv &&"
            " python3 -m pip --python .venv/bin/python install --require-hashes"
            " -r requirements/infra.txt &&"
            " python3 -m pip --python .venv/bin/python install --no-deps --no-build-isolation -e .",
            file=sys.stderr,
        )
        return 1
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
