"""A stack on a user's own Postgres, with and without subnets of the user's."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Need
from facedex.settings import DatabaseAuth, Settings
from infra.database_urls import PUBLIC_AUTHORITIES
from infra.packages import Target, layers
from infra.settings import SettingsError, StackSettings
from tests.infra.conftest import KEY, SECRET
from tests.infra.synthesis import Synthesis, listed, synthesise

_URL: Final = "postgresql://faces_app@db.example.com:6543/faces?sslmode=verify-full"
_OF_RDS: Final = "postgresql://faces@faces.c9akciq32.eu-central-1.rds.amazonaws.com/faces"
_RESOURCE: Final = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PASSWORD: Final = {"database_auth": "password", "database_secret": SECRET}
_SUBNETS: Final = {"subnet_ids": "subnet-0a1b2c3d", "security_group_ids": "sg-0a1b2c3d"}
_ROWS: Final = {row.function: row for row in OPERATIONS.values()} | dict(OTHER_FUNCTIONS)


@pytest.fixture(scope="module")
def public(cdk: None, tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Return a stack on an RDS instance with a public address and IAM tokens."""
    folder = tmp_path_factory.mktemp("public")
    bundle = folder / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    settings = {"database_resource": _RESOURCE, "database_ca": str(bundle)}
    temporary = folder / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        made = synthesise({"database_url": _OF_RDS, **settings}, folder / "out")
    assert list(temporary.glob("*database-ca*")) == []
    return made


@pytest.fixture
def existing(synthesis_of: Any) -> Synthesis:
    found: Synthesis = synthesis_of("existing")
    return found


def test_no_database_and_no_network_are_created(existing: Synthesis, public: Synthesis) -> None:
    for synthesis in (existing, public):
        kinds = {each["Type"] for each in synthesis.template["Resources"].values()}
        assert not [kind for kind in kinds if kind.startswith(("AWS::RDS::", "AWS::EC2::"))]
        assert "Custom::AWS" not in kinds  # which would prepare the database
        text = synthesis.path.read_text()
        for absent in ("AWS/RDS", "rds-data:", "/preparation"):
            assert absent not in text


def test_cdk_nag_finds_nothing_without_a_network(public: Synthesis) -> None:
    assert public.findings == []


def test_functions_that_use_the_database_are_in_the_subnets(existing: Synthesis) -> None:
    for name in existing.function_names:
        # All of them: with access keys, every function of the API reads the database.
        assert existing.function(name)["VpcConfig"] == {
            "SubnetIds": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
            "SecurityGroupIds": ["sg-0a1b2c3d"],
        }
        assert "ec2:CreateNetworkInterface" in existing.allowed(name)


def test_without_subnets_functions_are_in_no_network(public: Synthesis) -> None:
    for name in public.function_names:
        assert "VpcConfig" not in public.function(name)
        assert not [each for each in public.allowed(name) if each.startswith("ec2:")]


def test_functions_read_the_password_from_the_one_secret(existing: Synthesis) -> None:
    for name in existing.function_names:
        statements = existing.statements_of(name)
        reading = [
            listed(each["Resource"])
            for each in statements
            if "secretsmanager:GetSecretValue" in listed(each["Action"])
        ]
        assert [SECRET] in reading
        decrypting = [each for each in statements if "kms:Decrypt" in listed(each["Action"])]
        (own,) = (each for each in decrypting if each["Resource"] == KEY)
        assert own["Action"] == "kms:Decrypt"
        through = json.dumps(own["Condition"]["StringEquals"]["kms:ViaService"])
        # The service in the region of the secret, which may be another than the stack's.
        assert "secretsmanager.eu-west-1." in through
        assert "rds-db:connect" not in existing.allowed(name)


def test_functions_connect_to_the_one_rds_resource_as_the_one_role(public: Synthesis) -> None:
    for name in public.function_names:
        connecting = [
            json.dumps(each["Resource"])
            for each in public.statements_of(name)
            if "rds-db:connect" in listed(each["Action"])
        ]
        assert bool(connecting) is (Need.DATABASE in _ROWS[name].needs), name
        for resource in connecting:
            assert resource.endswith(f':dbuser:{_RESOURCE}/faces"]]}}')
        assert "secretsmanager:GetSecretValue" not in public.allowed(name)


def test_connections_verify_the_certificate(existing: Synthesis, public: Synthesis) -> None:
    of_user = psycopg.conninfo.conninfo_to_dict(_environment(existing)["FACEDEX_DATABASE_URL"])
    assert of_user == {
        "user": "faces_app",
        "host": "db.example.com",
        "port": "5432",
        "dbname": "faces",
        "sslmode": "verify-full",
        "sslrootcert": "/opt/python/botocore/cacert.pem",
    }
    of_rds = psycopg.conninfo.conninfo_to_dict(_environment(public)["FACEDEX_DATABASE_URL"])
    assert of_rds["sslrootcert"] == "/opt/database-ca/bundle.pem"
    assert of_rds["sslmode"] == "verify-full"


@pytest.mark.usefixtures("existing")
def test_public_authorities_are_where_the_connection_string_says() -> None:
    settings = StackSettings()
    target = Target(settings.architecture, settings.python)
    folder = dict(layers(target, packs=settings.all_packs))["code"]
    bundle = folder / Path(PUBLIC_AUTHORITIES).relative_to("/opt")
    assert "BEGIN CERTIFICATE" in bundle.read_text()


def test_functions_know_their_secret_and_nothing_secret(
    existing: Synthesis, public: Synthesis
) -> None:
    by_password = Settings.from_environment(_environment(existing))
    assert by_password.database_auth is DatabaseAuth.PASSWORD
    assert by_password.database_secret == SECRET
    by_token = Settings.from_environment({**_environment(public), "AWS_REGION": "eu-central-1"})
    assert (by_token.database_auth, by_token.database_secret) == (DatabaseAuth.IAM, "")


def test_nothing_but_the_databases_own_alarm_is_missing(
    existing: Synthesis, default: Synthesis
) -> None:
    def names(synthesis: Synthesis) -> set[str]:
        alarms = synthesis.resources("AWS::CloudWatch::Alarm")
        return {name.removeprefix("Observability")[:-8] for name in alarms}

    assert "Capacity" in names(default)
    assert names(default) - names(existing) == {"Capacity"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"database_url": "postgresql://faces:hunter2@db/faces"}, "must have no password, which "),
        ({"database_url": "postgresql://faces@db/faces?password=hunter2"}, "must have no password"),
        ({"database_url": "postgresql://faces@db/faces?passfile=hunter2"}, "must have no password"),
        ({"database_url": "mysql://hunter2@db/faces"}, "must name one host, a role and a database"),
        ({"database_url": "postgresql://db/hunter2"}, "must name one host, a role and a database"),
        ({"database_url": "postgresql://hunter2@db"}, "must name one host, a role and a database"),
        ({"database_url": "postgresql://hunter2@/faces"}, "must name one host, a role and a "),
        ({"database_url": "postgresql://hunter2@a,b/faces"}, "must name one host, a role and a "),
        ({"database_url": "postgresql://hunter*2@db/faces"}, "must name one host, a role and a "),
        ({"database_url": "hunter2"}, "must name one host, a role and a database"),
        ({"database_url": "postgresql://hunter2@db:0/faces"}, "must name one host, a role and a "),
        ({"database_url": "postgresql://hunter2@db:65536/faces"}, "must name one host, a role "),
        (
            {"database_url": "postgresql://hunter2@db/faces?sslmode=require"},
            "must not set sslmode to another value than verify-full.",
        ),
        (
            {"database_url": "postgresql://hunter2@db/faces?sslrootcert=/tmp/x"},
            "must not set sslrootcert; it may set sslmode and channel_binding.",
        ),
    ],
)
def test_an_invalid_address_is_refused_without_repeating_it(
    changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        StackSettings.from_context({**_PASSWORD, **changes})
    assert str(caught.value).startswith(f"database_url {sentence}")
    assert str(caught.value).endswith(".")
    assert "hunter" not in str(caught.value)


_OF_ITS_OWN: Final[dict[str, Any]] = {
    "min_capacity": 0.5,
    "max_capacity": 8,
    "pause_after": 600,
    "readers": 1,
    "proxy": True,
    "backup_days": 8,
    "database_logs": True,
    "cidr": "10.61.0.0/22",
    "flow_logs": "all",
    "endpoint_zones": 2,
}


@pytest.mark.parametrize("name", _OF_ITS_OWN)
def test_settings_of_the_stacks_own_database_are_refused(name: str) -> None:
    context = {"database_url": _URL, **_PASSWORD, name: _OF_ITS_OWN[name]}
    with pytest.raises(SettingsError, match=f"^{name} does not go with database_url: "):
        StackSettings.from_context(context)
    with pytest.raises(SettingsError):
        StackSettings.from_context({"database_url": _URL, **_PASSWORD, name: "nonsense"})


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"database_auth": "password"}, "database_auth goes with database_url alone."),
        ({"database_secret": SECRET}, "database_secret goes with database_url alone."),
        ({"database_secret_key": KEY}, "database_secret_key goes with database_url alone."),
        ({"database_resource": _RESOURCE}, "database_resource goes with database_url alone."),
        ({"database_pooled": "true"}, "database_pooled goes with database_url alone."),
        (_SUBNETS, "subnet_ids goes with database_url alone."),
        (
            {"database_url": _URL, **_PASSWORD, "retention": "snapshot"},
            "retention=snapshot does not go with database_url: ",
        ),
        (
            {"database_url": _URL, **_PASSWORD, "subnet_ids": "subnet-0a1b2c3d"},
            "subnet_ids and security_group_ids go together.",
        ),
        (
            {"database_url": _URL, "database_resource": _RESOURCE},
            "database_auth=iam needs a host of RDS in database_url",
        ),
        ({"database_url": _OF_RDS}, "database_auth=iam needs database_resource, the id that "),
        (
            {"database_url": _OF_RDS, "database_resource": _RESOURCE},
            "database_auth=iam needs database_ca, the path of RDS's certificate bundle: ",
        ),
        (
            {"database_url": _OF_RDS, "database_resource": "arn:aws:rds:x"},
            "database_resource must be like db-ABC",
        ),
        (
            {"database_url": _OF_RDS, "database_resource": _RESOURCE, "database_secret": SECRET},
            "database_secret and database_secret_key go with database_auth=password alone.",
        ),
        (
            {"database_url": _URL, "database_auth": "password"},
            "database_auth=password needs database_secret, the ARN of a secret ",
        ),
        (
            {"database_url": _URL, **_PASSWORD, "database_resource": _RESOURCE},
            "database_resource goes with database_auth=iam alone.",
        ),
        (
            {"database_url": _URL, "database_auth": "password", "database_secret": "faces/db"},
            "database_secret must be the ARN of a secret, not 'faces/db'.",
        ),
    ],
)
def test_contradictory_settings_are_refused(context: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        StackSettings.from_context(context)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


def _environment(synthesis: Synthesis) -> dict[str, str]:
    variables: dict[str, str] = synthesis.function("list_faces")["Environment"]["Variables"]
    return variables
