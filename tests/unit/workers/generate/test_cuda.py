"""The CUDA side of the engine: its logic on the CPU, itself only where there is a GPU (never
yet)."""

import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.datasets.plan import Plan, make_plan
from core.errors import DeviceLost
from matteforge.schemas.orders import DatasetSpec
from models.networks.stylegan3 import build_generator
from workers.generate import cuda
from workers.generate.cuda import Graphed, download_at_once
from workers.generate.generated_sampler import GeneratedSampler


class Doubling(nn.Module):
    """A generator that counts its calls."""

    calls = 0

    def forward(self, z: Tensor, truncation_psi: float) -> Tensor:
        self.calls += 1
        return 2 * z * truncation_psi


def capture_by_hand(work: Callable[[], None]) -> Callable[[], None]:
    """Acts like a graph: a replay repeats the work on the same memory."""
    work()
    return work


def test_a_graph_is_captured_once_for_each_batch_size_and_psi() -> None:
    captured = []
    graphed = Graphed(
        Doubling(), lambda work: (captured.append(1), capture_by_hand(work))[1], time.perf_counter
    )
    for n, psi in ((4, 1.0), (4, 1.0), (4, 0.5), (2, 0.5), (2, 0.5)):
        z = torch.randn(n, 3)
        assert torch.equal(graphed(z, psi), 2 * z * psi)
    assert len(captured) == 3


def test_a_replay_reads_what_the_call_brings_and_leaves_the_caller_s_tensor_alone() -> None:
    graphed = Graphed(Doubling(), capture_by_hand, time.perf_counter)
    first = torch.ones(2, 3)
    graphed(first, 1.0)
    assert graphed(torch.full((2, 3), 5.0), 1.0).unique().tolist() == [10]
    assert first.unique().tolist() == [1]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("memory"), RuntimeError("ECC memory")])
def test_a_capture_without_memory_or_device_is_told_and_tried_again(error: Exception) -> None:
    def fail(work: Callable[[], None]) -> Callable[[], None]:
        raise error

    graphed = Graphed(Doubling(), fail, time.perf_counter)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="memory"):
            graphed(torch.ones(1, 3), 1.0)


def test_what_cannot_be_captured_works_without_a_graph() -> None:
    def fail(work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing")

    graphed = Graphed(Doubling(), fail, time.perf_counter)
    assert graphed(torch.ones(1, 3), 1.0).unique().tolist() == [2]
    assert graphed(torch.ones(1, 3) * 2, 1.0).unique().tolist() == [4]


@pytest.mark.parametrize("graph_is_slow", [True, False])
def test_a_graph_is_never_slower_than_what_it_replays(graph_is_slow: bool) -> None:
    now, replayed = [0.0], [0]

    def capture(work: Callable[[], None]) -> Callable[[], None]:
        work()

        def replay() -> None:
            now[0] += 3 if graph_is_slow else 1
            replayed[0] += 1
            work()
            now[0] -= 2

        return replay

    class Slow(Doubling):
        def forward(self, z: Tensor, truncation_psi: float) -> Tensor:
            now[0] += 2
            return super().forward(z, truncation_psi)

    graphed = Graphed(Slow(), capture, lambda: now[0])
    graphed(torch.ones(1, 3), 1.0)
    before = replayed[0]
    assert graphed(torch.full((1, 3), 2.0), 1.0).unique().tolist() == [4]
    assert replayed[0] - before == (0 if graph_is_slow else 1)


@pytest.mark.thorough
def test_short_memory_divides_a_plans_batches_for_good(bundle_folder: Path) -> None:
    whole, short = (GeneratedSampler.from_folder(bundle_folder, device="cpu") for _ in range(2))
    whole._ahead = short._ahead = 1
    asked: list[int | None] = []

    def sample(z: Tensor, psi: float, part_size: int | None) -> Tensor:
        asked.append(part_size)
        if part_size is None or part_size > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return short._generator.sample(z, psi, part_size)

    short.sample = sample
    both = (engine.candidates(plan(8), 0) for engine in (whole, short))
    pairs = list(zip(*both, strict=True))
    assert asked[:3] == [None, 4, 2]
    assert set(asked[3:]) == {2}
    for one, other in pairs:
        for a, b in zip(one, other, strict=True):
            assert np.abs(a.rgb_u8.astype(int) - b.rgb_u8).max() <= 1
            assert a.scores == pytest.approx(b.scores, abs=1e-3)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), DeviceLost),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), DeviceLost),
        (RuntimeError("shapes differ"), RuntimeError),
    ],
)
def test_a_device_lost_in_mid_shard_is_told_apart(
    bundle_folder: Path, error: Exception, raised: type[Exception]
) -> None:
    engine = GeneratedSampler.from_folder(bundle_folder, device="cpu")
    batches = engine.candidates(plan(), 0)
    next(batches)
    engine.sample = mock.Mock(side_effect=error)
    with pytest.raises(raised):
        next(batches)


def test_the_kernel_is_taken_where_it_agrees_and_is_faster(bundle_folder: Path) -> None:
    generator = GeneratedSampler.from_folder(bundle_folder, device="cpu")._generator
    now, use = [0.0], generator.synthesis.use_kernel

    def chosen(seconds: dict[bool, float], spoil: bool = False) -> bool:
        sampled = type(generator).sample

        def sample(self: nn.Module, z: Tensor) -> Tensor:
            by_kernel = self.synthesis.layers()[0].by_kernel
            now[0] += seconds[by_kernel]
            return sampled(self, z) * (0.5 if spoil and by_kernel else 1)

        with mock.patch.object(type(generator), "sample", sample):
            cuda.prepare(generator, lambda: now[0])
        return generator.synthesis.layers()[0].by_kernel

    assert chosen({True: 1.0, False: 2.0})
    assert not chosen({True: 2.0, False: 1.0})
    assert not chosen({True: 1.0, False: 2.0}, spoil=True)
    use(True)


def plan(batch_size: int = 4) -> Plan:
    return make_plan(
        DatasetSpec(count=16, shard_size=16), seed=1, bundle="sha256:" + "b" * 64, thresholds={},
        batch_size=batch_size, threads=1, max_attempts_per_sample=1,
    )  # fmt: skip


@pytest.mark.thorough
def test_batches_begun_ahead_give_the_same_candidates(bundle_folder: Path) -> None:
    engine, ahead = (GeneratedSampler.from_folder(bundle_folder, device="cpu") for _ in range(2))
    ahead._ahead = 2
    ahead.sample = Graphed(ahead._generator.sample, capture_by_hand, time.perf_counter)
    pairs = list(zip(engine.candidates(plan(), 0), ahead.candidates(plan(), 0), strict=True))
    assert [c.attempt for _, batch in pairs for c in batch] == list(range(plan().max_attempts(0)))
    for one, other in pairs:
        for a, b in zip(one, other, strict=True):
            assert (a.attempt, a.seed, a.scores) == (b.attempt, b.seed, b.scores)
            assert np.array_equal(a.rgb_u8, b.rgb_u8)
            assert np.array_equal(a.alpha, b.alpha)


def test_a_download_on_the_cpu_is_the_tensor() -> None:
    tensor = torch.arange(6, dtype=torch.uint8).view(2, 3).t()
    assert np.array_equal(download_at_once(tensor)(), tensor.numpy())


@pytest.mark.parametrize("resolution", [512, 1024])
def test_half_precision_is_for_the_four_highest_resolutions(resolution: int) -> None:
    with torch.device("meta"):
        layers = build_generator({"img_resolution": resolution}).synthesis.layers()
    rates = {layer.spec.out_rate for layer in layers if layer.spec.half_precision}
    assert rates == {resolution >> n for n in range(4)}
    assert all(layer.clamp == 256 for layer in layers)


@pytest.mark.gpu
def test_a_graph_equals_the_generator_it_captured(bundle_folder: Path) -> None:
    engine = GeneratedSampler.from_folder(bundle_folder, device="cuda")
    z = torch.randn(4, engine.config.z_dim, device="cuda")
    with torch.inference_mode():
        torch.testing.assert_close(
            engine.sample(z, 0.7), engine._generator(z, truncation_psi=0.7), rtol=0, atol=0
        )


@pytest.mark.gpu
def test_a_gpu_repeats_itself_and_is_close_to_the_cpu(bundle_folder: Path) -> None:
    first, again, cpu = (
        [
            c
            for batch in GeneratedSampler.from_folder(bundle_folder, device=device).candidates(
                plan(), 0
            )
            for c in batch
        ]
        for device in ("cuda", "cuda", "cpu")
    )
    for a, b, c in zip(first, again, cpu, strict=True):
        assert np.array_equal(a.rgb_u8, b.rgb_u8)
        assert a.scores == b.scores
        assert np.abs(a.rgb_u8.astype(int) - c.rgb_u8).max() <= 4, "half precision"
