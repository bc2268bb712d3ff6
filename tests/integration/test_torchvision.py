"""The how-to's reader by torchvision: sixteen bits of alpha arrive, and crops keep pairs together.

PyPI's torchvision needs CUDA's libraries for its compiled part (`nms`, `decode_image`), which the
CPU's torch has not. Its Python part is what the how-to uses; two modules that only register
gradients and shapes of the compiled part's operations are left out.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matteforge.unpack import unpack
from models.imaging.png import encode_png
from workers.shards.tar import ShardTar

ROOT = Path(__file__).parents[2]
WITHOUT_COMPILED = """
import sys, types
for name in ("_meta_registrations", "_autograd_registrations"):
    sys.modules[f"torchvision.{name}"] = types.ModuleType(name)
"""
CHECKS = """
import numpy as np
assert len(people) == 3
for index in range(3):
    image, alpha = people[index]
    assert image.dtype == torch.uint8 and image.shape == (3, 48, 48)
    assert alpha.dtype == torch.float32 and alpha.shape == (1, 48, 48)
    both = image[0].float() / 255 - alpha[0]  # red is the alpha's upper eight bits
    assert both.abs().max() < 1 / 255
whole = Portraits(people.root)
np.save("alphas.npy", np.stack([alpha[0].numpy() for _, alpha in whole]))
from torchvision.transforms.functional import to_tensor
assert to_tensor(Image.open(people.alphas[0])).min() < 0  # the trap that the page names
first = next(iter(torch.utils.data.DataLoader(people, batch_size=3)))
assert first[0].shape == (3, 3, 48, 48)
"""


@pytest.fixture
def pairs(tmp_path: Path) -> np.ndarray:
    """Alphas uint16 [3, 64, 64], delivered as a folder below tmp_path, each with a scene whose red
    is the alpha's upper eight bits."""
    alphas = np.random.default_rng(0).integers(0, 65536, (3, 64, 64)).astype(np.uint16)
    alphas[:, 0, :2] = 0, 65535
    with ShardTar(tmp_path / "train-000000.tar") as tar:
        for index, alpha in enumerate(alphas):
            scene = np.repeat((alpha >> 8).astype(np.uint8)[..., None], 3, 2)
            members = {"alpha.png": encode_png(alpha), "image.png": encode_png(scene)}
            tar.add(f"{index:011}", {**members, "json": b"{}"})
    assert unpack([tmp_path / "train-000000.tar"], tmp_path / "folders" / "ID") == 3
    return alphas


def test_torchvision_reads_a_folder_as_the_how_to_says(pairs: np.ndarray, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "read-a-dataset.md").read_text("utf-8")
    block = re.search(r"^```python\n(# not run.*?torchvision.*?)^```$", page, re.M | re.S)
    assert block is not None
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILED + block[1] + CHECKS],
        cwd=tmp_path, env={"PYTHONPATH": str(Path(sys.prefix) / "torchvision")},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    read = np.load(tmp_path / "alphas.npy")
    assert np.array_equal(np.rint(read * 65535.0), pairs)
    assert (read.min(), read.max()) == (0, 1)
