"""Mutual TLS with drawn certificates: who has the key is let in, who lacks it is not."""

import socket
import ssl
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.local.certificates import Certificates


def test_files_are_private_and_drawn_anew(tmp_path: Path) -> None:
    first = Certificates.make(tmp_path / "tls").certificate.read_text()
    files = Certificates.make(tmp_path / "tls")
    assert files.certificate.read_text() != first
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()} == {0o600}
    assert {path.name for path in (tmp_path / "tls").iterdir()} == {
        "ca.crt",
        "node.crt",
        "node.key",
    }


@pytest.mark.parametrize("with_key", [True, False])
def test_only_the_holder_of_the_key_is_let_in(tmp_path: Path, with_key: bool) -> None:
    files = Certificates.make(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.authority))
    server.load_cert_chain(files.certificate, files.key)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(files.authority))
    if with_key:
        client.load_cert_chain(files.certificate, files.key)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with (
            suppress(ssl.SSLError),
            theirs,
            server.wrap_socket(theirs, server_side=True) as connection,
        ):
            connection.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    with ours, client.wrap_socket(ours, server_hostname="127.0.0.1") as connection:
        if with_key:
            assert connection.recv(5) == b"hello"
        else:
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                connection.recv(5)
    thread.join()
