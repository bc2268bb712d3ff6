"""docker-compose.yml without docker: it is valid, and each command in it starts and becomes
ready."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.ports import free_ports

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {
    name: service["command"] for name, service in COMPOSE["services"].items() if "build" in service
}
READY = {
    "api": "Application startup complete",
    "generate": " ready.",
    "train": " ready.",
    "control": " ready.",
    "matte": " ready.",
    "webhook": " ready.",
    "beat": "is starting.",
    "flower": "Visit me at",
}


def test_the_file_follows_the_compose_schema():
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_process_has_a_service_and_an_image_that_exists():
    assert set(READY) <= set(OURS)
    for name in OURS:
        dockerfile = ROOT / COMPOSE["services"][name]["build"]["dockerfile"]
        copied = [
            line.split()[1:-1]
            for line in dockerfile.read_text().splitlines()
            if line.startswith("COPY")
        ]
        assert all((ROOT / source).exists() for sources in copied for source in sources), dockerfile


def test_no_secret_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in (
        "REDIS_PASSWORD",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
        "MATTEFORGE_API_KEY",
        "FLOWER_PASSWORD",
    ):
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text


@pytest.fixture
def environment(valkey_url: str, s3: Any) -> dict[str, str]:
    """What compose sets, pointing at this session's servers."""
    named = {key: str(value) for key, value in COMPOSE["x-app"]["environment"].items()}
    values = {
        "MATTEFORGE_DEVICE": "cpu",
        "MATTEFORGE_REDIS_URL": valkey_url,
        "MATTEFORGE_S3_ENDPOINT": s3.url,
        "MATTEFORGE_S3_PUBLIC_ENDPOINT": s3.url,
        "MATTEFORGE_S3_BUCKET": "compose-test",
        "MATTEFORGE_S3_ACCESS_KEY": s3.access_key,
        "MATTEFORGE_S3_SECRET_KEY": s3.secret_key,
        "MATTEFORGE_API_KEY": "mf_" + "k" * 43,
    }
    assert set(named) == set(values)
    return {**os.environ, **values, "FLOWER_BASIC_AUTH": "operator:secret", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize("name", sorted(READY))
def test_its_command_becomes_ready(name, environment, tmp_path):
    port = str(free_ports(1)[0])
    argv = [arg.replace("0.0.0.0", "127.0.0.1") for arg in OURS[name]]
    argv += {"api": ["--port", port], "flower": [f"--port={port}"]}.get(name, [])
    argv[0] = str(Path(sys.executable).with_name(argv[0]))
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=tmp_path, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline_s = time.monotonic() + 60
        while READY[name] not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.1)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
