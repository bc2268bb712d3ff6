"""What the bench measures on a card, with a graph's and a card's parts played by hand."""

from unittest import mock

import torch

from models.networks.stylegan3 import build_generator, ops, synthesis
from workers.bench import on_cuda
from workers.bench.timing import take_turns

SMALL = {
    "z_dim": 8, "w_dim": 8, "img_resolution": 32, "num_layers": 4, "margin_size": 4,
    "channel_base": 128, "channel_max": 8, "first_stopband": 4.0,
}  # fmt: skip


def test_each_way_of_the_generator_is_measured() -> None:
    generator, used = build_generator(SMALL), list[str]()

    def spy(name: str, operation):
        def run(*arguments, **options):
            used.append(name)
            return operation(*arguments, **options)

        return run

    with (
        mock.patch.object(on_cuda, "prepare"),
        mock.patch.object(on_cuda, "capture_graph", lambda work: work),
        mock.patch.object(synthesis, "filtered_lrelu", spy("kernel", ops.filtered_lrelu)),
        mock.patch.object(
            synthesis, "filtered_lrelu_torch", spy("torch", ops.filtered_lrelu_torch)
        ),
    ):
        runs = on_cuda.generator_runs(generator, torch.randn(1, 8), None)
        for name, kind in {"torch": "torch", "kernel": "kernel", "ours": "kernel"}.items():
            used.clear()
            runs[name]()
            assert set(used) == {kind}
        seconds = take_turns(runs | {"textbook": runs["torch"], "convolutions": runs["torch"]}, 1)
    told = on_cuda.generator_ratios(seconds, training=False)
    assert [(r.name, r.target, r.more_is_better) for r in told] == [
        ("textbook / ours", 1.0, True),
        ("ours / convolutions", 2.0, False),
        ("torch / ours", 1.0, True),
        ("ours / graph", 1.0, True),
    ]
