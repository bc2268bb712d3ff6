"""A disk that is really full, under everything that a stack writes: its object store, Valkey's
append-only file, temporary folders and logs. Needs root, who alone may mount a small file system:

    python tests/fault/full_disk.py --bundle FOLDER --size-mb 256

An order is made in peace. Then a ballast leaves little room, and the same order is placed again
until nothing can be written. Prints what answers meanwhile; takes the ballast away, waits for the
end, and exits with 1 unless each dataset has the calm one's bytes or failed for a true reason.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

import click
import httpx
from impatient import IMPATIENT

from deploy.local.stack import Stack
from matteforge.client import MatteForge

ORDER = {"seed": 7, "shard_size": 50}
LEFT_BYTES = 4_000_000


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A file system of its own at `folder`."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(ballast: Path, left_bytes: int) -> None:
    """Write until so much is free."""
    with ballast.open("ab", buffering=0) as file:
        while (free := disk_usage(ballast.parent).free) > left_bytes:
            try:
                file.write(bytes(min(free - left_bytes, 1 << 20)))
            except OSError:
                return


def watched(stack: Stack, known: str, seconds: float, ballast: Path) -> Counter[str]:
    """What the API answers while the disk is full, and who had to be started again."""
    headers, seen = {"Authorization": f"Bearer {stack.api_key}"}, Counter[str]()
    begun, ends_s = stack.supervisor.pids(), time.monotonic() + seconds
    with httpx.Client(base_url=stack.url, headers=headers, timeout=12) as http:
        while time.monotonic() < ends_s:
            fill(ballast, 0)
            for method, path, body in (
                ("GET", "/healthz", None),
                ("GET", "/readyz", None),
                ("GET", "/v1/datasets", None),
                ("GET", f"/v1/datasets/{known}", None),
                ("POST", "/v1/datasets", {"count": 3, "seed": 1}),
            ):
                try:
                    answer = http.request(method, path, json=body)
                    code = answer.json().get("code", "") if answer.status_code >= 400 else ""
                    seen[f"{method} {path}: {answer.status_code} {code}".strip()] += 1
                except httpx.HTTPError as error:
                    seen[f"{method} {path}: {type(error).__name__}"] += 1
            time.sleep(1)
    for name, pid in stack.supervisor.pids().items():
        if begun.get(name) != pid:
            seen[f"{name} was started again"] += 1
    return seen


def made(client: MatteForge, dataset_id: str) -> tuple[str, list[str]]:
    """How the dataset ended, and the SHA-256 of its shards."""
    done = client.wait(dataset_id, poll_s=0.5, timeout_s=900)
    reason = f", {done.error.code}" if done.error else ""
    return f"{done.state}{reason}", [shard.sha256 for shard in client.shards(dataset_id)]


def fsck(stack: Stack) -> str:
    command = Path(sys.executable).with_name("matteforge")
    done = subprocess.run(
        [command, "fsck"], env=stack.settings(), capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--size-mb", default=128, show_default=True)
@click.option("--count", default=300, show_default=True, help="samples of the order")
@click.option("--full-s", default=60.0, show_default=True)
def main(bundle: Path, size_mb: int, count: int, full_s: float) -> None:
    """See above."""
    with (
        tempfile.TemporaryDirectory(prefix="full-") as name,
        small_disk(Path(name, "disk"), size_mb) as disk,
        Stack(disk / "data", bundles=(bundle,), env=IMPATIENT) as stack,
        MatteForge(stack.url, stack.api_key, attempts=10) as client,
    ):
        calm = made(client, client.order(count, **ORDER).id)
        print(f"in peace: {calm[0]}; {disk_usage(disk).free / 1e6:.0f} MB free", flush=True)
        ballast = disk / "ballast"
        fill(ballast, LEFT_BYTES)
        ids = [client.order(count, **ORDER).id for _ in range(2)]
        seen = watched(stack, ids[0], full_s, ballast)
        print(f"{disk_usage(disk).free} bytes free")
        for what, number in sorted(seen.items()):
            print(f"{number:4} x {what}")
        ballast.unlink()
        freed_s = time.monotonic()
        ends = [made(client, one) for one in ids]
        print(f"{time.monotonic() - freed_s:.0f} s after there was room: {[e[0] for e in ends]}")
        checked = fsck(stack)
        print(checked)
    wrong = [end for end in ends if end != calm and not end[0].startswith("failed, ")]
    print("nothing lost" if not wrong and checked.startswith("0 ") else "WRONG")
    sys.exit(bool(wrong) or not checked.startswith("0 "))


if __name__ == "__main__":
    main()
