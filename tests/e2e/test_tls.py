"""The whole service behind a certificate of one's own."""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from deploy.local.certificates import Certificates
from deploy.local.listen import Listen
from deploy.local.stack import Stack

WITHOUT_PROXY = {"trust_env": False, "timeout": 30}


def test_keys_and_cookies_travel_by_tls_alone(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    files = Certificates.make(tmp_path / "tls")
    stack = make_stack(listen=Listen(certificate=files.certificate, key=files.key))
    assert stack.url.startswith("https://127.0.0.1:")
    ours = ssl.create_default_context(cafile=str(files.authority))
    with httpx.Client(base_url=stack.url, verify=ours, **WITHOUT_PROXY) as http:
        assert http.get("/readyz").status_code == 200
        signed_in = http.post("/session", json={"key": stack.api_key})
        cookie = signed_in.headers["set-cookie"].lower()
        assert {"secure", "httponly", "samesite=strict"} <= set(cookie.split("; "))
        assert http.get("/v1/datasets").status_code == 200  # with that cookie
    other = ssl.create_default_context(cafile=str(Certificates.make(tmp_path / "x").authority))
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{stack.url}/healthz", verify=other, **WITHOUT_PROXY)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{stack.url.replace('https', 'http')}/healthz", **WITHOUT_PROXY)
    host, port = stack.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1 200" not in plain.recv(1000)
    listed = subprocess.run(
        [sys.executable, "-c", "from matteforge.cli.main import main; main()", "keys", "list"],
        env={**os.environ, "MATTEFORGE_URL": stack.url, "MATTEFORGE_API_KEY": stack.api_key,
             "SSL_CERT_FILE": str(files.authority)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "bootstrap" in listed.stdout, listed.stderr
