"""Times what surrounds the networks in a generate worker: encoders, shard writing, the whole of
run_shard, memory.

Prints tables, then the same as JSON. Encoders that are not installed are left out.
"""

import argparse
import json
import resource
import tarfile
import tempfile
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import boto3
import numpy as np
import torch
from encoders import COLOUR_ONLY, Pixels, encoders
from PIL import Image

from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_leases import MemoryLeaseBook
from core.adapters.memory_store import MemoryStore
from core.bundle import load_bundle_folder
from core.datasets.catalog import Catalog, DatasetRecord
from core.datasets.dataset import utcnow
from core.datasets.plan import Plan, make_plan
from core.settings import Settings
from deploy.local.stack import BUCKET as S3_BUCKET
from deploy.local.stack import Stack
from matteforge.schemas.criteria import first_failure
from matteforge.schemas.orders import DatasetSpec
from models.networks.stylematte import predict_alpha
from workers.bench.timing import median_ms, ratio, take_turns
from workers.context import Context
from workers.generate.candidate import Candidate, generated_facts
from workers.generate.generated_sampler import GeneratedSampler
from workers.generate.run_shard import run_shard
from workers.shards.encode import encode_alpha, encode_image
from workers.shards.tar import ShardTar

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models/pretrained/humans"
PORTRAITS = ROOT / "tests/data/portraits-000000.tar"


def pictures(size: int, count: int) -> tuple[list[Pixels], list[Pixels]]:
    """Rendered people over noise-free grey, enlarged, with sensor noise of sigma 2: images and
    alphas."""
    rng, images, alphas = np.random.default_rng(0), [], []
    with tarfile.open(PORTRAITS) as tar:
        members = [m for m in tar.getmembers() if m.name.endswith(".rgba.png")][:count]
        for member in members:
            rgba = Image.open(tar.extractfile(member)).resize(
                (size, size), Image.Resampling.BICUBIC
            )
            pixels = np.asarray(rgba).astype(np.float32)
            alpha = pixels[..., 3:]
            scene = (
                pixels[..., :3] * alpha / 255
                + 110 * (1 - alpha / 255)
                + rng.normal(0, 2, (size, size, 3))
            )
            images.append(scene.clip(0, 255).round().astype(np.uint8))
            alphas.append(alpha[..., 0].astype(np.uint8))
    return images, alphas


def bench_encoders(rounds: int) -> list[dict[str, object]]:
    rows = []
    for size, count in ((128, 8), (1024, 2)):
        for kind, group in zip(("image", "alpha"), pictures(size, count), strict=True):
            runs = {
                name: (lambda encode=encode, group=group: [encode(p) for p in group])
                for name, encode in encoders().items()
                if kind == "image" or name not in COLOUR_ONLY
            }
            seconds = take_turns(runs, rounds)
            for name, run in runs.items():
                size_kib = sum(map(len, run())) / count / 1024
                rows.append(
                    {
                        "pixels": f"{kind}, {size} px", "encoder": name, "KiB": round(size_kib, 1),
                        "ms": round(median_ms(seconds, name, count), 2),
                    }
                )  # fmt: skip
    return rows


def bench_shard_writing(rounds: int) -> dict[str, object]:
    """Given arrays of 1024 px: our tar against webdataset.ShardWriter with Pillow's defaults."""
    import webdataset

    images, alphas = pictures(1024, 3)
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> None:
            with ShardTar(Path(folder) / "ours.tar") as tar:
                for index, (rgb, alpha) in enumerate(zip(images, alphas, strict=True)):
                    members = {
                        "image.png": encode_image(rgb, "png"),
                        "alpha.png": encode_alpha(alpha),
                        "json": b"{}",
                    }
                    tar.add(f"{index:011d}", members)

        def theirs() -> None:
            with webdataset.ShardWriter(f"{folder}/theirs-%06d.tar", verbose=0) as writer:
                for index, (rgb, alpha) in enumerate(zip(images, alphas, strict=True)):
                    writer.write(
                        {
                            "__key__": f"{index:011d}",
                            "image.png": rgb,
                            "alpha.png": alpha,
                            "json": {},
                        }
                    )

        seconds = take_turns({"ShardWriter": theirs, "ours": ours}, rounds)
        sizes = {
            path.name.split(".")[0]: path.stat().st_size for path in Path(folder).glob("*.tar")
        }
    return {"ratio": ratio(seconds, "ShardWriter", "ours"), "bytes": sizes}


def order(
    context: Context, dataset_id: str, count: int, shard_size: int, **plan_options: object
) -> DatasetRecord:
    spec = DatasetSpec(count=count, shard_size=shard_size, seed=1)
    options = {"bundle": "sha256:" + "0" * 64, "thresholds": {}, "batch_size": 8, "threads": 1}
    plan = make_plan(spec, seed=1, max_attempts_per_sample=20, **(options | plan_options))
    record = DatasetRecord(
        id=dataset_id, owner="o", spec=spec, plan=plan, created_at=utcnow(), body_sha256="0" * 64
    )
    assert context.catalog.claim(record)
    context.live.put(context.catalog.view(dataset_id)[0])
    return record


def memory_context(sampler: object) -> Context:
    catalog = Catalog(MemoryStore())
    return Context(
        settings=Settings(), catalog=catalog, live=MemoryLiveView(), leases=MemoryLeaseBook(),
        doorbell=MemoryDoorbell(), sampler=lambda _: sampler,
    )  # fmt: skip


def bench_run_shard(rounds: int) -> dict[str, object]:
    """The shipped bundle: both networks alone, as many batches as 64 accepted pairs take, against
    all of run_shard: checks, encoding, tar and commit included. By the wall clock encoders may use
    a second core, the networks one.
    """
    engine = GeneratedSampler.from_folder(BUNDLE, device="cpu")
    thresholds = load_bundle_folder(BUNDLE).thresholds
    context, number = memory_context(engine), iter(range(10**6))
    plan = order(context, "ds_plan", 64, 64, thresholds=thresholds).plan
    batches, accepted = 0, 0
    for batch in engine.candidates(plan, 0):
        batches += 1
        accepted += sum(first_failure(c.scores, plan.thresholds) is None for c in batch)
        if accepted >= 64:
            break
    z = torch.randn(plan.batch_size, engine.config.z_dim)

    def alone() -> None:
        with torch.inference_mode():
            for _ in range(batches):
                predict_alpha(engine.matte, engine.sample(z, plan.truncation_psi)[:, :3])

    def whole() -> None:
        dataset_id = f"ds_{next(number)}"
        order(context, dataset_id, 64, 64, thresholds=thresholds)
        run_shard(context, dataset_id, 0)
        assert context.catalog.shard_record(dataset_id, 0).samples == 64

    report: dict[str, object] = {"pairs": 64, "batches": batches}
    for name, clock in (("processor", time.process_time), ("wall", time.perf_counter)):
        seconds = take_turns({"networks": alone, "run_shard": whole}, rounds, clock)
        report |= {
            f"{name} share": ratio(seconds, "networks", "run_shard"),
            f"{name} seconds": seconds,
        }
    return report


def bench_upload(rounds: int) -> dict[str, object]:
    """A shard of 64 MiB through the store adapter, conditional and checked, against boto3's plain
    put: wall time."""
    with tempfile.TemporaryDirectory(prefix="matteforge-bench-") as name:
        folder, number = Path(name), iter(range(10**6))
        stack = Stack(folder / "data")
        try:
            stack.start_stores()
            with closing(stack.open_store()) as store:
                path = folder / "shard.tar"
                path.write_bytes(np.random.default_rng(0).bytes(64 << 20))
                s3 = boto3.client(
                    "s3",
                    endpoint_url=stack.seaweedfs.url,
                    region_name="us-east-1",
                    aws_access_key_id=stack.secrets.s3_access_key,
                    aws_secret_access_key=stack.secrets.s3_secret_key,
                )

                def ours() -> None:
                    key = f"bench/ours-{next(number)}"
                    store.upload(
                        key, path, content_type="application/x-tar", metadata={}, if_none_match=True
                    )

                def raw() -> None:
                    with path.open("rb") as body:
                        s3.put_object(Bucket=S3_BUCKET, Key=f"bench/raw-{next(number)}", Body=body)

                seconds = take_turns({"raw put": raw, "upload": ours}, rounds, time.perf_counter)
        finally:
            stack.stop()
    return {"MiB": 64, "ratio": ratio(seconds, "raw put", "upload"), "seconds": seconds}


class Constant:
    """A sampler that costs nothing: the same accepted picture again and again."""

    def __init__(self) -> None:
        self._rgb, self._alpha = (group[0] for group in pictures(64, 1))

    def candidates(self, plan: Plan, shard: int) -> object:
        facts = generated_facts(plan, generator="0" * 64, stylematte="0" * 64)
        for start in range(0, 10**6, 8):
            yield [
                Candidate(
                    attempt=start + i,
                    seed=i,
                    rgb_u8=self._rgb,
                    alpha=self._alpha,
                    scores={},
                    facts=facts,
                )
                for i in range(8)
            ]


def bench_memory(shards: int) -> dict[str, object]:
    """Resident memory while `shards` shards of 8 samples are made; each is deleted from the memory
    store at once."""
    context = memory_context(Constant())
    order(context, "ds_memory", shards * 8, 8)
    marks, start = {}, time.process_time()
    for shard in range(shards):
        run_shard(context, "ds_memory", shard)
        for key in list(context.catalog.store.list_keys("datasets/ds_memory/shards/")):
            context.catalog.store.delete(key)
        context.doorbell.rung.clear()
        if (shard + 1) in (shards // 10, shards // 2, shards):
            marks[shard + 1] = round(_resident_mib(), 1)
    return {
        "MiB after shards": marks,
        "ms a shard": round((time.process_time() - start) / shards * 1000, 2),
    }


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoders-only", action="store_true")
    parser.add_argument("--shards", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = {"encoders": bench_encoders(options.rounds)}
    print("| picture | encoder | ms | KiB |\n|---|---|---|---|")
    for row in report["encoders"]:
        print(f"| {row['pixels']} | {row['encoder']} | {row['ms']} | {row['KiB']} |")
    if options.encoders_only:
        return
    report |= {
        "shard writing": bench_shard_writing(options.rounds),
        "run_shard": bench_run_shard(options.rounds),
        "upload": bench_upload(options.rounds),
        "memory": bench_memory(options.shards),
    }
    print(
        f"\nwriting shards of 1024 px against ShardWriter: {report['shard writing']['ratio']} "
        f"times as fast"
    )
    shares = report["run_shard"]
    print(
        f"pairs a second, of the networks' alone: {shares['wall share']}; by processor time "
        f"{shares['processor share']}"
    )
    print(f"upload, of a raw put's speed: {report['upload']['ratio']}")
    print(f"memory: {report['memory']}")
    print(json.dumps(report, default=asdict))


if __name__ == "__main__":
    main()
