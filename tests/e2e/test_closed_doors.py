"""Another user of the machine, without a key, finds every port, socket and file of the stack
closed.
"""

import importlib.util
import os
import socket
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from core.adapters.s3 import S3Store
from deploy.local.stack import Stack

_spec = importlib.util.spec_from_file_location("intruder", Path(__file__).with_name("intruder.py"))
intruder = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(intruder)

API = {
    "/",
    "/?Action=ListUsers&Version=2010-05-08",
    "/healthz",
    "/readyz",
    "/docs",
    "/openapi.json",
}
S3 = {"/healthz", "/readyz", "/status"}  # bare words
FLOWER = {"/healthcheck"}


@pytest.fixture(scope="module")
def processes(stack: Stack) -> list[psutil.Process]:
    """Every process of the stack."""
    roots = [psutil.Process(pid) for pid in stack.supervisor.pids().values()]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


@pytest.fixture(scope="module")
def ports(processes: list[psutil.Process]) -> set[int]:
    listening = [
        c.laddr
        for p in processes
        for c in p.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    return {address.port for address in listening}


def but_the_audit(store: S3Store) -> list[str]:
    """The keys that are stored; the audit trail is written a second later."""
    return [key for key in store.list_keys("") if not key.startswith("audit/")]


def test_no_port_serves_those_without_a_secret(stack: Stack, ports: set[int]) -> None:
    meant = {
        int(stack.url.rpartition(":")[2]): API,
        stack.seaweedfs.ports["s3"]: S3,
        urlsplit(stack.flower_url).port: FLOWER,
    }
    assert set(meant) | {stack.valkey.port, *stack.seaweedfs.ports.values()} <= ports
    store = stack.open_store()
    before = but_the_audit(store)
    answered = intruder.as_nobody(lambda: intruder.attack_all(ports))
    allowed = {port: {f"http GET {path} 200" for path in paths} for port, paths in meant.items()}
    unmeant = {port: set(found) - allowed.get(port, set()) for port, found in answered.items()}
    assert not any(unmeant.values()), unmeant
    assert but_the_audit(store) == before
    store.close()


def test_sockets_in_the_file_system_are_their_owners(processes: list[psutil.Process]) -> None:
    paths = {
        c.laddr for p in processes for c in p.net_connections("unix") if c.laddr.startswith("/")
    }
    assert paths, "SeaweedFS opens some"
    for path in paths:
        assert not os.stat(path).st_mode & (stat.S_IWOTH | stat.S_IWGRP), (
            path
        )  # connecting takes the right to write
    if os.geteuid() == 0:
        assert intruder.as_nobody(lambda: [path for path in paths if _connects(path)]) == []


def test_files_are_their_owners(stack: Stack) -> None:
    opened = [
        path for path in stack.data_dir.rglob("*") if path.is_file() and path.stat().st_mode & 0o077
    ]
    assert stat.S_IMODE(stack.data_dir.stat().st_mode) == 0o700
    named = {
        "secrets.json",
        "env",
        "valkey.conf",
        "s3.json",
        "node.key",
        *(p.name for p in stack.data_dir.glob("logs/*")),
    }
    assert not named & {path.name for path in opened}


def test_no_secret_is_shown(stack: Stack, processes: list[psutil.Process]) -> None:
    """Neither in a log nor in a command line, which every user may read."""
    secrets = [
        s
        for value in stack.secrets.model_dump().values()
        for s in ([value] if isinstance(value, str) else value)
    ]
    logs = "".join(path.read_text(errors="replace") for path in stack.data_dir.glob("logs/*.log"))
    shown = logs + " ".join(argument for process in processes for argument in process.cmdline())
    assert not [secret for secret in secrets if secret in shown]


def test_what_is_temporary_lies_in_the_data_directory(
    stack: Stack, processes: list[psutil.Process]
) -> None:
    ours = [process for process in processes if "workers.app:app" in process.cmdline()]
    assert ours
    for process in ours:
        assert process.environ()["TMPDIR"] == str(stack.data_dir / "tmp")


def test_the_summary_names_files_instead_of_secrets(stack: Stack) -> None:
    from deploy.up import _summary

    summary = _summary(stack)
    assert str(stack.secrets_file) in summary
    assert stack.api_key not in summary
    assert stack.secrets.flower_password not in summary
    told = subprocess.run(
        ["sh", "-c", f". {stack.env_file}; echo $MATTEFORGE_URL $MATTEFORGE_API_KEY"],
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == [stack.url, stack.api_key]


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as attempt:
        return attempt.connect_ex(path) == 0
