"""What the one-machine stack writes down, and who may read it."""

import json
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.local import seaweedfs
from deploy.local.data_dir import DataDirInUse, sweep
from deploy.local.ports import free_ports, is_free, kept_ports
from deploy.local.program import write_private
from deploy.local.seaweedfs import GRPC_OFFSET, PORTS, SeaweedFS
from deploy.local.secrets import Secrets
from deploy.local.stack import Stack, shipped_bundles
from deploy.local.valkey import Valkey
from deploy.up import up

FIRST_EPHEMERAL_PORT = 32_768  # net.ipv4.ip_local_port_range begins here


def test_secrets_are_drawn_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = Secrets.of(path)
    assert Secrets.of(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = [value for value in first.model_dump().values() if isinstance(value, str)]
    values += first.s3_signing_keys
    assert len(set(values)) == 8
    assert min(len(value) for value in values) >= 20
    assert Secrets.of(tmp_path / "other.json").api_key != first.api_key


def test_an_api_key_of_ones_own_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    drawn = Secrets.of(path)
    mine = Secrets.of(path, api_key="mf_mine")
    assert mine == drawn.model_copy(update={"api_key": "mf_mine"})
    assert Secrets.of(path) == mine


def test_a_private_file_is_private_even_over_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("open")
    path.chmod(0o666)
    write_private(path, "secret")
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_valkey_wants_a_password_on_the_loopback_interface(tmp_path: Path) -> None:
    program = Valkey(folder=tmp_path / "a b", port=7000, password="secret").program()
    config = Path(program.argv[1])
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    lines = config.read_text().splitlines()
    for line in ("port 7000", "bind 127.0.0.1", "requirepass secret", "appendonly yes", 'save ""'):
        assert line in lines
    assert "secret" not in " ".join(program.argv)


def test_seaweedfs_is_closed(tmp_path: Path) -> None:
    ports = dict(zip(PORTS, range(9000, 9005), strict=True))
    server = SeaweedFS(
        folder=tmp_path,
        ports=ports,
        access_key="access",
        secret_key="hidden",
        signing_keys=("a", "b", "c"),
    )
    program = server.program()
    identities = tmp_path / "s3.json"
    assert f"-s3.config={identities}" in program.argv
    assert stat.S_IMODE(identities.stat().st_mode) == 0o600
    assert json.loads(identities.read_text())["identities"][0]["credentials"] == [
        {"accessKey": "access", "secretKey": "hidden"}
    ]
    for flag in ("-ip.bind=127.0.0.1", "-master.telemetry=false", "-s3.port=9000", "-webdav=false"):
        assert flag in program.argv
    assert {name for name in program.env if name.startswith("WEED_JWT")} == {
        "WEED_JWT_SIGNING_KEY",
        "WEED_JWT_FILER_SIGNING_KEY",
        "WEED_JWT_FILER_SIGNING_READ_KEY",
    }
    assert "hidden" not in " ".join(program.argv)


def test_every_part_of_seaweedfs_has_a_certificate(tmp_path: Path) -> None:
    """The parts are those of `weed scaffold -config=security`: one that a new version adds must not
    stay open.
    """
    weed = Path(sys.executable).with_name("weed")
    scaffold = subprocess.run(
        [weed, "scaffold", "-config=security"], capture_output=True, text=True, check=True
    )
    parts = re.findall(r"^\[((?:grpc|https)\.\w+)\]", scaffold.stdout, re.MULTILINE)
    assert "grpc.filer" in parts
    server = SeaweedFS(
        folder=tmp_path,
        ports=dict(zip(PORTS, range(9000, 9005), strict=True)),
        access_key="a",
        secret_key="b",
        signing_keys=("a", "b", "c"),
    )
    env = server.program().env
    for part in parts:
        name = part.upper().replace(".", "_")
        assert {f"WEED_{name}_CERT", f"WEED_{name}_KEY"} <= set(env), part


def test_sockets_of_killed_servers_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seaweedfs, "SOCKETS", tmp_path)
    dead, alive = tmp_path / "seaweedfs-s3-1.sock", tmp_path / "seaweedfs-s3-2.sock"
    with socket.socket(socket.AF_UNIX) as left, socket.socket(socket.AF_UNIX) as listening:
        left.bind(str(dead))
        listening.bind(str(alive))
        listening.listen()
        seaweedfs.sweep_sockets()
        assert not dead.exists()
        assert alive.exists()


def test_temporary_files_of_a_killed_stack_are_swept(tmp_path: Path) -> None:
    for left in (
        tmp_path / "tmp" / "matteforge-shard-x",
        tmp_path / "cache" / "fetch-y",
        tmp_path / "cache" / "kept",
    ):
        left.mkdir(parents=True)
    sweep(tmp_path)
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == []
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["kept"]


def test_ports_are_free_and_different() -> None:
    ports = free_ports(20, also_at=GRPC_OFFSET)
    assert len(set(ports)) == 20
    assert all(is_free(port) and is_free(port + GRPC_OFFSET) for port in ports)


def test_ports_are_kept_between_starts_unless_somebody_took_one(tmp_path: Path) -> None:
    names = ("api", "s3")
    first = kept_ports(tmp_path / "ports.json", names, also_at=GRPC_OFFSET)
    assert kept_ports(tmp_path / "ports.json", names, also_at=GRPC_OFFSET) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["s3"]))
        taken.listen()
        second = kept_ports(tmp_path / "ports.json", names, also_at=GRPC_OFFSET)
        assert second["s3"] != first["s3"]
    (tmp_path / "ports.json").write_text("{half")
    assert set(kept_ports(tmp_path / "ports.json", names)) == set(names)


def test_a_restarted_stack_has_the_urls_of_the_one_before(tmp_path: Path) -> None:
    first = Stack(tmp_path)
    first.stop()
    second = Stack(tmp_path)
    second.stop()
    assert (second.url, second.seaweedfs.url) == (first.url, first.seaweedfs.url)


def test_no_outgoing_connection_takes_the_port_of_a_server_that_is_started_again() -> None:
    """A client that asks while the server is away would hold its port, or even be connected to
    itself."""
    assert max(free_ports(50)) + GRPC_OFFSET < FIRST_EPHEMERAL_PORT


def test_every_process_is_started_with_secrets_in_its_environment_only(tmp_path: Path) -> None:
    stack = Stack(tmp_path, port=8000, generate_workers=2, env={"MATTEFORGE_THREADS": "3"})
    programs = {program.name: program for program in stack.programs()}
    stack.stop()
    assert list(programs) == [
        "control",
        "generate-1",
        "generate-2",
        "train",
        "matte",
        "webhook",
        "beat",
        "flower",
        "api",
    ]
    secrets = [value for value in stack.secrets.model_dump().values() if isinstance(value, str)]
    for program in programs.values():
        assert not any(secret in argument for secret in secrets for argument in program.argv)
    assert programs["generate-2"].env["OMP_NUM_THREADS"] == "3"
    assert programs["generate-2"].env["MALLOC_MMAP_MAX_"] == "0"
    assert "MATTEFORGE_API_KEY" not in programs["generate-1"].env
    assert (
        programs["flower"].env["FLOWER_BASIC_AUTH"] == f"operator:{stack.secrets.flower_password}"
    )
    assert "--address=127.0.0.1" in programs["flower"].argv


def test_a_data_directory_has_one_stack(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    with pytest.raises(DataDirInUse):
        Stack(tmp_path)
    stack.stop()
    Stack(tmp_path).stop()


def test_a_taken_port_is_refused_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = CliRunner().invoke(up, ["--data-dir", str(tmp_path), "--port", str(port)])
    assert refused.exit_code == 1
    assert f"port {port} is taken" in refused.output


def test_shipped_bundles_are_folders_with_a_bundle() -> None:
    for folder in shipped_bundles():
        assert (folder / "bundle.json").is_file()
