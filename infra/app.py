"""The CDK app: ``cdk synth`` writes the template of everything that is deployed.

A mistake in the settings is reported in one sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import App

from infra.packages import PackageError
from infra.settings import SettingsError, StackSettings
from infra.stack import Facedex

# A function's published version has the content of its layers, which is nearly all of the code.
# Without the first flag the construct library publishes none when only a layer changes; without
# the second, one that Lambda refuses when nothing changes that a version has.
_FLAGS: Final = {
    "@aws-cdk/aws-lambda:recognizeLayerVersion": True,
    "@aws-cdk/aws-lambda:recognizeVersionProps": True,
}


def app(context: Mapping[str, Any] | None = None, outdir: str | None = None) -> App:
    """Return the app with its one stack.

    Args:
        context: settings, in addition to those of the ``cdk`` command.
        outdir: directory of the template and the packages; by default the one that the command
            names.

    Raises:
        SettingsError: see :class:`StackSettings`.
        PackageError: if a layer or a function's code cannot be built.
    """
    made = App(context={**_FLAGS, **(context or {})}, outdir=outdir)
    Facedex(made, StackSettings.from_context(made.node.get_all_context()))
    return made


def main() -> int:
    """Write the stack's template.

    Returns:
        the exit status.
    """
    try:
        app().synth()
    except (SettingsError, PackageError) as error:
        print(f"facedex: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
