"""The stack uploads exactly the packages that tests/packages runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from facedex_models.manifests import ATTRIBUTES, DEFAULT
from infra.packages import PackageError, Target, function, layers
from tests.packages.deployment import ROWS


@pytest.fixture(scope="module")
def target() -> Target:
    try:
        return Target.of_this_machine()
    except PackageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def assembly(cdk: None, target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build all packages for the machine on which the tests run."""
    from aws_cdk import App

    from infra.settings import StackSettings
    from infra.stack import Facedex

    folder = tmp_path_factory.mktemp("assembly")
    made = App(outdir=str(folder))
    chosen = StackSettings.from_context(
        {
            "architecture": target.architecture,
            "auth": "keys",
            "console": "true",
            "bulk": "true",
            "bulk_buckets": "my-albums",
            "bulk_reports": "my-reports",
            "video": "true",
            "streams": "true",
            "video_streams": "arn:aws:kinesisvideo:eu-central-1:111122223333:stream/door/1",
            "data_streams": "arn:aws:kinesis:eu-central-1:111122223333:stream/seen",
        }
    )
    # Bypasses the settings' checks, as this machine's Python may be a version that is not deployed.
    object.__setattr__(chosen, "python", target.python)
    Facedex(made, chosen)
    made.synth()
    return folder


def test_every_functions_code_is_the_one_that_was_run(assembly: Path) -> None:
    deployed = {
        properties["Handler"].split(".")[1]: properties["Code"]
        for properties in _resources(assembly, "AWS::Lambda::Function")
        if properties["Handler"].startswith("facedex_functions.")
    }
    assert deployed.keys() == ROWS.keys()
    for name, code in deployed.items():
        assert _contents(_asset(assembly, code)) == _contents(function(name))


def test_every_layer_is_the_one_that_was_run(assembly: Path, target: Target) -> None:
    uploaded = [
        _contents(_asset(assembly, properties["Content"]))
        for properties in _resources(assembly, "AWS::Lambda::LayerVersion")
    ]
    built = [_contents(path) for path in layers(target, packs=(DEFAULT, ATTRIBUTES)).values()]
    assert len(uploaded) == len(built)
    assert all(each in uploaded for each in built)


def _resources(assembly: Path, kind: str) -> list[dict[str, Any]]:
    (template,) = assembly.glob("*.template.json")
    resources = json.loads(template.read_text())["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == kind]


def _asset(assembly: Path, place: dict[str, Any]) -> Path:
    (manifest,) = assembly.glob("*.assets.json")
    (path,) = [
        file["source"]["path"]
        for file in json.loads(manifest.read_text())["files"].values()
        for destination in file["destinations"].values()
        if destination["objectKey"] == place["S3Key"]
    ]
    return assembly / str(path)


def _contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
