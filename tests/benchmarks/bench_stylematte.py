"""Times StyleMatte with the compiled deformable attention and with transformers' own, on one CPU core.

Prints a table, then the same as JSON.
"""

import argparse
import json
from unittest import mock

import torch
from interleaved import median_ms, processor_seconds, ratio, shown

from models.matting import StyleMatte, deformable, preset

CASES = (("tiny", 128, 8, True), ("tiny", 128, 8, False), ("swin-t", 512, 1, False))  # name, side, batch, training


def measure(name: str, side: int, batch: int, training: bool, rounds: int) -> dict[str, object]:
    matte, image = StyleMatte(preset(name)), torch.randn(batch, 3, side, side)

    def run() -> None:
        with torch.set_grad_enabled(training):
            alpha = matte(image)
            if training:
                alpha.square().mean().backward()

    inputs = capture(matte, image)

    def attend(operation: object) -> None:
        tensors = [t.detach().requires_grad_(training) if isinstance(t, torch.Tensor) else t for t in inputs]
        out = operation(*tensors)  # type: ignore[operator]
        if training:
            out.sum().backward()

    def before() -> None:
        with mock.patch.object(deformable, "sample", deformable.sample_torch):
            run()

    runs = {"network before": before, "network": run}
    runs |= {
        "attention before": lambda: attend(deformable.sample_torch),
        "attention": lambda: attend(deformable.sample),
    }
    seconds = processor_seconds(runs, rounds)
    return {
        "case": f"{name}, {side} px, batch {batch}, {'forward + backward' if training else 'forward'}",
        "ms": {key: round(median_ms(seconds, key), 1) for key in seconds},
        "attention": ratio(seconds, "attention before", "attention"),
        "network": ratio(seconds, "network before", "network"),
    }


def capture(matte: StyleMatte, image: torch.Tensor) -> tuple[object, ...]:
    """The arguments of the first layer's attention."""
    seen: list[tuple[object, ...]] = []
    original = deformable.sample
    with torch.no_grad(), mock.patch.object(deformable, "sample", lambda *a: (seen.append(a), original(*a))[1]):
        matte(image)
    return seen[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    results = [measure(*case, rounds=options.rounds) for case in CASES]
    print("| StyleMatte | network, ms before | after | ratio | one attention layer, ms before | after | ratio |")
    print("|---|---|---|---|---|---|---|")
    for row in results:
        ms = row["ms"]
        print(
            f"| {row['case']} | {ms['network before']} | {ms['network']} | {shown(row['network'])} "
            f"| {ms['attention before']} | {ms['attention']} | {shown(row['attention'])} |"
        )
    print(json.dumps({"torch": torch.__version__, "rounds": options.rounds, "results": results}))


if __name__ == "__main__":
    main()
