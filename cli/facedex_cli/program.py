"""The ``facedex`` command."""

from __future__ import annotations

import errno
import os
from typing import Any, Final

import click
import psycopg

from facedex.printing import printable
from facedex_cli.commands.audit import audit
from facedex_cli.commands.backup import backup, restore
from facedex_cli.commands.collections import collections
from facedex_cli.commands.demo import demo
from facedex_cli.commands.import_ import import_
from facedex_cli.commands.interrupting import exit_status, sentence_of, signal_in
from facedex_cli.commands.keys import keys
from facedex_cli.commands.models import models
from facedex_cli.commands.parameters import complete
from facedex_cli.commands.people import people
from facedex_cli.commands.scrub import scrub
from facedex_cli.commands.stream import stream
from facedex_cli.commands.up import up
from facedex_cli.commands.video import video
from facedex_local import terminal

# Errors of files that the user may not look into, or whose path cannot exist.
_UNUSABLE: Final = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EIO),
)


class _Program(click.Group):
    """The command, which an interruption ends with the usual exit status (130 after Ctrl-C)."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            number = signal_in(error)
            if number is None:
                if problem := _problem_with_file(error) or _missing_right(error):
                    raise click.ClickException(problem) from error
                raise
            terminal.say("\ninterrupted")  # the terminal may be closed
            if sentence := sentence_of(error):
                terminal.say(sentence)
            raise SystemExit(exit_status(number)) from None


def _problem_with_file(error: BaseException) -> str | None:
    """Return a sentence about the file that an error names, if it is no fault of the program."""
    if not isinstance(error, OSError) or error.errno not in _UNUSABLE:
        return None
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    return f"{printable(os.fsdecode(error.filename))} cannot be used ({error.strerror})."


def _missing_right(error: BaseException) -> str | None:
    """Return a sentence about a right that the role of the user's own database lacks."""
    if not isinstance(error, psycopg.errors.InsufficientPrivilege):
        return None
    return (
        f"The database's role lacks a right ({' '.join(str(error).split())}); connect as the role"
        " that owns the tables of Facedex."
    )


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="facedex", prog_name="facedex")
def main() -> None:
    """Amazon Rekognition's face collections on this machine.

    \b
    facedex demo    index two portraits and find them in altered copies
    facedex up      start the server for any AWS SDK or the AWS CLI

    The first start downloads the default model pack and the attributes pack, which take about
    24 MB on disk. Nothing is uploaded, and no image is ever stored.
    """


main.add_command(up)
main.add_command(demo)
main.add_command(import_)
main.add_command(models)
main.add_command(keys)
main.add_command(collections)
main.add_command(people)
main.add_command(scrub)
main.add_command(audit)
main.add_command(backup)
main.add_command(restore)
main.add_command(video)
main.add_command(stream)
complete(main)
