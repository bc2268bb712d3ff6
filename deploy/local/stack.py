"""The whole service on one machine: which programs, in which order, with which settings."""

import os
import shlex
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Self

import models
from core.adapters.s3 import S3Store
from core.bundle import BUNDLE_FILE
from core.registry import Registry
from deploy.local.data_dir import lock, sweep
from deploy.local.listen import Listen
from deploy.local.ports import LOOPBACK, kept_ports
from deploy.local.program import Program, always_ready, write_private
from deploy.local.seaweedfs import GRPC_OFFSET, PORTS, SeaweedFS
from deploy.local.secrets import Secrets
from deploy.local.supervisor import Supervisor, silent
from deploy.local.valkey import Valkey
from deploy.serve import command, flower_prefix
from matteforge.cli.connection import keep_compiled
from models.kernels.cpu_tuning import CPU_TUNING
from models.renderer.availability import available

BUCKET = "matteforge"
LOOPBACK_ONLY = Listen()
FLOWER_USER = "operator"
WORK = 10  # niceness of the workers that compute: servers and the API answer first


class Stack:
    """Real Valkey, real S3, the API, workers, beat and Flower under this process. A context
    manager.

    Everything listens on the loopback interface, but the API where `listen` says, and lives in
    `data_dir`; a second stack on the same one is refused. `bundles` are published before the
    workers start; `env` is added to the settings of every process.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        listen: Listen = LOOPBACK_ONLY,
        generate_workers: int = 1,
        bundles: tuple[Path, ...] | None = None,
        env: Mapping[str, str] | None = None,
        echo: Callable[[str, str], None] = silent,
    ) -> None:
        """port: of the API; a free one when None. bundles: the shipped one when None."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data_dir = data_dir.resolve()
        self.secrets_file = self.data_dir / "secrets.json"
        self.env_file = self.data_dir / "env"
        self._lock = lock(self.data_dir / "lock")
        self.secrets = Secrets.of(self.secrets_file, api_key=os.environ.get("MATTEFORGE_API_KEY"))
        ports = kept_ports(
            self.data_dir / "ports.json", ("api", "flower", "valkey", *PORTS), also_at=GRPC_OFFSET
        )
        api_port, self._flower_port = port or ports["api"], ports["flower"]
        self._listen = listen
        self._trust = listen.trust()
        self.url = f"{listen.scheme}://{listen.own_host}:{api_port}"
        self.flower_url = f"http://{LOOPBACK}:{self._flower_port}/{flower_prefix()}"
        self.flower_login = (FLOWER_USER, self.secrets.flower_password)
        self.valkey = Valkey(
            folder=self.data_dir / "valkey",
            port=ports["valkey"],
            password=self.secrets.valkey_password,
        )
        self.seaweedfs = SeaweedFS(
            folder=self.data_dir / "seaweedfs",
            ports={name: ports[name] for name in PORTS},
            access_key=self.secrets.s3_access_key,
            secret_key=self.secrets.s3_secret_key,
            signing_keys=self.secrets.s3_signing_keys,
        )
        self._api_port = api_port
        self._generate_workers = generate_workers
        self._bundles = shipped_bundles() if bundles is None else bundles
        self._rendered = available() is None
        self._extra_env = dict(env or {})
        self._echo = echo
        self.supervisor: Supervisor | None = None

    @property
    def api_key(self) -> str:
        return self.secrets.api_key

    def settings(self) -> dict[str, str]:
        """MATTEFORGE_* variables of every process, and of tools that look into the stack."""
        return {
            "MATTEFORGE_REDIS_URL": self.valkey.url,
            "MATTEFORGE_S3_ENDPOINT": self.seaweedfs.url,
            "MATTEFORGE_S3_BUCKET": BUCKET,
            "MATTEFORGE_S3_ACCESS_KEY": self.secrets.s3_access_key,
            "MATTEFORGE_S3_SECRET_KEY": self.secrets.s3_secret_key,
            "MATTEFORGE_STORE_FOLDER": str(self.seaweedfs.folder),
            "MATTEFORGE_SHARDS_BY_API": str(int(self._listen.beyond_loopback)),
            "MATTEFORGE_FLOWER_URL": self.flower_url,
            "MATTEFORGE_RENDERED": str(int(self._rendered)),
            "MATTEFORGE_CACHE_DIR": str(self.data_dir / "cache"),
            "TMPDIR": str(self.data_dir / "tmp"),
            "PYTHONUNBUFFERED": "1",
            **keep_compiled(self.data_dir),
            **self._extra_env,
        }

    def start(self) -> Self:
        """Start everything and return when the API can serve. Raises StartFailed; nothing is left
        running then."""
        return self._start(*self.programs())

    def start_stores(self) -> Self:
        """Start Valkey and S3 alone. Raises StartFailed as `start`."""
        return self._start()

    def _start(self, *programs: Program) -> Self:
        self.supervisor = Supervisor(self.data_dir / "logs", self._echo)
        sweep(self.data_dir)
        named = {**self.settings(), "MATTEFORGE_URL": self.url, "MATTEFORGE_API_KEY": self.api_key}
        lines = (f"export {name}={shlex.quote(value)}" for name, value in named.items())
        write_private(
            self.env_file, "\n".join(lines) + "\n"
        )  # for people and tools: `. DATA_DIR/env`
        try:
            self.supervisor.add(self.valkey.program(), self.seaweedfs.program())
            self._publish()
            self.supervisor.add(*programs)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, servers last."""
        if self.supervisor is not None:
            self.supervisor.stop()
            self.supervisor = None
        self._lock.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def open_store(self) -> S3Store:
        """The stack's bucket; close it."""
        return S3Store(
            endpoint_url=self.seaweedfs.url,
            bucket=BUCKET,
            access_key=self.secrets.s3_access_key,
            secret_key=self.secrets.s3_secret_key,
        )

    def programs(self) -> list[Program]:
        """MatteForge's own processes; the API last, since only it is waited for."""
        threads = self.settings().get("MATTEFORGE_THREADS", "1")
        numerical = {**CPU_TUNING, "OMP_NUM_THREADS": threads, "REMAP_SIGTERM": "SIGQUIT"}
        login = ":".join(self.flower_login)
        return [
            self._program("control"),
            *(
                self._program(
                    "generate",
                    f"generate-{number}",
                    ("--hostname", f"generate-{number}@%h"),
                    numerical,
                    nice=WORK,
                )
                for number in range(1, self._generate_workers + 1)
            ),
            *([self._program("render", env=numerical, nice=WORK)] if self._rendered else []),
            self._program("train", env=numerical, nice=WORK),
            self._program("matte", env=numerical, nice=WORK),
            self._program("webhook"),
            self._program("beat"),
            self._program(
                "flower",
                arguments=(f"--address={LOOPBACK}", f"--port={self._flower_port}"),
                env={"FLOWER_BASIC_AUTH": login},
            ),
            self._program(
                "api",
                arguments=self._listen.arguments(self._api_port),
                env={"MATTEFORGE_API_KEY": self.api_key, "MATTEFORGE_FLOWER_LOGIN": login},
                ready=self.answers,
            ),
        ]

    def answers(self) -> bool:
        """True once the API has everything it needs."""
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust)
        )
        try:
            with direct.open(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _program(
        self,
        process: str,
        name: str | None = None,
        arguments: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        nice: int = 0,
        ready: Callable[[], bool] | None = None,
    ) -> Program:
        return Program(
            name=name or process,
            nice=nice,
            argv=tuple(command(process, arguments)),
            env={**self.settings(), **(env or {})},
            ready=ready or always_ready,
        )

    def _publish(self) -> None:
        """Bring the bundles to the store; what became champion there since stays champion."""
        with closing(self.open_store()) as store:
            store.probe()
            for folder in self._bundles:
                Registry(store).publish_shipped(folder)


def shipped_bundles() -> tuple[Path, ...]:
    """Folders of the bundles that come with the package."""
    return tuple(
        sorted(path.parent for path in Path(models.__path__[0]).glob(f"pretrained/*/{BUNDLE_FILE}"))
    )
