"""The layers of the functions, and the platform that their packages are built for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk.aws_lambda import Architecture, Code, LayerVersion, Runtime, RuntimeFamily
from constructs import Construct

from infra import packages
from infra.constructs.database import CERTIFICATES
from infra.rows import deployed, needs
from infra.settings import StackSettings

CERTIFICATES_LAYER: Final = "database-ca"


def layer_versions(scope: Construct, settings: StackSettings) -> dict[str, LayerVersion]:
    """Create the layers that the functions of a deployment have, by their names.

    Raises:
        PackageError: if the layers of a function are too large together, or cannot be built.
    """
    target = packages.Target(settings.architecture, settings.python)
    directories = dict(packages.layers(target, packs=settings.all_packs))
    layers_by_function = {
        row.function: packages.layers_of(needs(row, settings)) for row in deployed(settings)
    }
    for name, each in layers_by_function.items():
        packages.require_fit(directories, name, each)
    used = {name for each in layers_by_function.values() for name in each}
    directories = {name: path for name, path in directories.items() if name in used}
    if settings.database_ca:
        place = Path(CERTIFICATES).relative_to("/opt").as_posix()
        files = {place: Path(settings.database_ca)}
        directories[CERTIFICATES_LAYER] = packages.layer_of(CERTIFICATES_LAYER, files)
    return {
        name: LayerVersion(
            scope,
            f"{name}_layer",
            layer_version_name=f"{settings.stack}-{name}",
            code=Code.from_asset(str(path)),
            compatible_architectures=[architecture(settings)],
            compatible_runtimes=[runtime(settings)],
            removal_policy=RemovalPolicy.DESTROY,
        )
        for name, path in directories.items()
    }


def architecture(settings: StackSettings) -> Architecture:
    """Return the CPUs of the functions, as the construct library names them."""
    return {"arm64": Architecture.ARM_64, "x86_64": Architecture.X86_64}[settings.architecture]


def runtime(settings: StackSettings) -> Runtime:
    """Return the Python of the functions, as the construct library names it."""
    return Runtime(f"python{settings.python}", RuntimeFamily.PYTHON, supports_snap_start=True)
