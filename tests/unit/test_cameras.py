"""The cameras that a stream processor may read, and the errors for all others."""

from __future__ import annotations

import pytest

from facedex.api.errors import InvalidParameterException
from facedex.aws.camera_addresses import camera_address, with_credentials
from facedex.settings import Settings

PREFIX = "arn:facedex:kinesisvideo:us-east-1:123456789012:"
NEEDED = {
    "FACEDEX_DATABASE_URL": "postgresql://",
    "FACEDEX_MODELS": "/models",
    "FACEDEX_AUTH": "none",
}
STREAM = "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1598784211076"


def test_cameras_are_read_only_if_enabled() -> None:
    chosen = Settings.from_environment(NEEDED)
    assert chosen.rtsp_hosts == chosen.rtsp_credentials == ()
    with pytest.raises(InvalidParameterException, match="FACEDEX_RTSP_HOSTS is not set"):
        camera_address(f"{PREFIX}rtsp://camera.lan/door", chosen.rtsp_hosts)


@pytest.mark.parametrize("hosts", [(), ("camera.lan",)])
def test_a_kinesis_stream_is_not_a_camera(hosts: tuple[str, ...]) -> None:
    assert camera_address(STREAM, hosts) is None


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("rtsp://camera.lan", ("camera.lan",)),
        ("rtsp://camera.lan:554/door", ("camera.lan",)),
        ("rtsp://CAMERA.lan/door?channel=1&subtype=0", ("other", " camera.LAN:554")),
        ("rtsp://10.0.0.7:8554/live", ("10.0.0.7:8554",)),
    ],
)
def test_a_listed_camera_may_be_read(address: str, hosts: tuple[str, ...]) -> None:
    assert camera_address(PREFIX + address, hosts) == address


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://other.lan/door",
        "rtsp://camera.lan:8554/door",  # another port is another service
        "rtsp://camera.lan.evil.example/door",
        "rtsp://camera.lan:99999/door",
        "rtsp://camera.lan:0/door",
        "rtsps://camera.lan/door",
        "file:///etc/passwd",
        "http://camera.lan/door",
        "rtsp://camera.lan/door#rtsp://other.lan",
        "rtsp://camera.lan\\@other.lan/door",
        "rtsp://camera.lan /door",
        "rtsp://kamera\u0301.lan/door",
        "rtsp:///door",
    ],
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(InvalidParameterException):
        camera_address(PREFIX + address, ("camera.lan",))


def test_an_address_with_a_password_is_refused_and_not_quoted() -> None:
    with pytest.raises(InvalidParameterException) as refused:
        camera_address(f"{PREFIX}rtsp://door:sesame@camera.lan/door", ("camera.lan",))
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("door:sesame@camera.lan", "rtsp://door:sesame@camera.lan/live"),
        ("door:s@s:a/me@camera.lan:554", "rtsp://door:s%40s%3Aa%2Fme@camera.lan/live"),
        ("door:sesame@camera.lan:8554", "rtsp://camera.lan/live"),
        ("door:sesame@other.lan", "rtsp://camera.lan/live"),
    ],
)
def test_a_camera_receives_only_its_own_password(said: str, address: str) -> None:
    assert with_credentials("rtsp://camera.lan/live", ("a:b@nowhere", said)) == address


def test_passwords_do_not_appear_in_the_settings_repr() -> None:
    chosen = Settings.from_environment(
        {
            **NEEDED,
            "FACEDEX_RTSP_HOSTS": "camera.lan, 10.0.0.7:8554",
            "FACEDEX_RTSP_CREDENTIALS": "door:sesame@camera.lan",
        }
    )
    assert chosen.rtsp_hosts == ("camera.lan", "10.0.0.7:8554")
    assert "sesame" not in repr(chosen)
