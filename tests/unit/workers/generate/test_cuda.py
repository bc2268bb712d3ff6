"""The CUDA side of the engine: its logic on the CPU, itself only where there is a GPU (never
yet)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.datasets.plan import Plan, make_plan
from matteforge.schemas.orders import DatasetSpec
from models.networks.stylegan3 import build_generator
from workers.generate.cuda import GraphedGenerator, download_at_once
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
    graphed = GraphedGenerator(
        Doubling(), lambda work: (captured.append(1), capture_by_hand(work))[1]
    )
    for n, psi in ((4, 1.0), (4, 1.0), (4, 0.5), (2, 0.5), (2, 0.5)):
        z = torch.randn(n, 3)
        assert torch.equal(graphed(z, psi), 2 * z * psi)
    assert len(captured) == 3


def test_a_replay_reads_what_the_call_brings_and_leaves_the_caller_s_tensor_alone() -> None:
    graphed = GraphedGenerator(Doubling(), capture_by_hand)
    first = torch.ones(2, 3)
    graphed(first, 1.0)
    assert graphed(torch.full((2, 3), 5.0), 1.0).unique().tolist() == [10]
    assert first.unique().tolist() == [1]


def test_a_capture_that_fails_is_tried_again() -> None:
    def fail(work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("out of memory")

    graphed = GraphedGenerator(Doubling(), fail)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="memory"):
            graphed(torch.ones(1, 3), 1.0)


def plan(batch_size: int = 4) -> Plan:
    return make_plan(
        DatasetSpec(count=16, shard_size=16), seed=1, bundle="sha256:" + "b" * 64, thresholds={},
        batch_size=batch_size, threads=1, max_attempts_per_sample=1,
    )  # fmt: skip


def test_batches_begun_ahead_give_the_same_candidates(bundle_folder: Path) -> None:
    engine, ahead = (GeneratedSampler.from_folder(bundle_folder, device="cpu") for _ in range(2))
    ahead._ahead = 1
    ahead.sample = GraphedGenerator(ahead._generator, capture_by_hand)
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
