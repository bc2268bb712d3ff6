"""Where the API may listen: beyond this machine only with TLS, or if somebody says otherwise."""

import socket
import ssl
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.local.certificates import Certificates
from deploy.local.listen import Listen, ListenRefused
from deploy.local.ports import free_ports
from deploy.up import up


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Path]:
    files = Certificates.make(tmp_path)
    return {"certificate": files.certificate, "key": files.key}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "forge.example", "::"])
def test_beyond_this_machine_tls_is_needed(host: str) -> None:
    assert Listen(host=host).beyond_loopback
    with pytest.raises(ListenRefused, match="--tls-cert and --tls-key, or say --insecure-http"):
        Listen(host=host).check(free_ports(1)[0])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_this_machine_it_is_not(host: str) -> None:
    assert not Listen(host=host).beyond_loopback


def test_all_interfaces_are_reached_at_this_machines_own_address(tls: dict[str, Path]) -> None:
    port = free_ports(1)[0]
    Listen(host="0.0.0.0", insecure_http=True).check(port)
    listen = Listen(host="0.0.0.0", **tls)
    listen.check(port)
    assert (listen.scheme, listen.own_host) == ("https", "127.0.0.1")
    assert listen.arguments(port) == (
        "--host", "0.0.0.0", "--port", str(port),
        "--ssl-certfile", str(tls["certificate"]), "--ssl-keyfile", str(tls["key"]),
    )  # fmt: skip
    assert Listen(host="::1").own_host == "[::1]"


def test_files_that_are_no_pair_are_refused(tls: dict[str, Path], tmp_path: Path) -> None:
    other = Certificates.make(tmp_path / "other")
    with pytest.raises(ListenRefused, match="belong together"):
        Listen(certificate=tls["certificate"]).check(1)
    for certificate, key in (
        (tls["certificate"], other.key),
        (tls["key"], tls["key"]),
        (tmp_path / "lacks.pem", tls["key"]),
    ):
        with pytest.raises(ListenRefused, match="no certificate and its key"):
            Listen(certificate=certificate, key=key).check(free_ports(1)[0])


def test_an_address_that_can_not_be_had_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenRefused, match=f"port {port} is taken"):
            Listen().check(port)
    with pytest.raises(ListenRefused, match=r"192\.0\.2\.1"):
        Listen(host="192.0.2.1", insecure_http=True).check(free_ports(1)[0])


def test_its_own_programs_trust_this_certificate_alone(tls: dict[str, Path]) -> None:
    context = Listen(**tls).trust()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert Listen().trust() is None


def test_up_says_what_would_be_right(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    result = CliRunner().invoke(up, ["--host", "0.0.0.0", "--data-dir", data])
    assert result.exit_code == 1
    assert "give --tls-cert and --tls-key" in result.output
    assert not (tmp_path / "data").exists()
