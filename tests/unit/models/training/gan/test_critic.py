import torch
import torch.nn.functional as F

from models.training.gan.critic import Critic


def critic(resolution: int) -> Critic:
    torch.manual_seed(0)
    return Critic(resolution, channel_base=512, channel_max=16)


def test_a_grown_critic_begins_as_the_smaller_one_of_pooled_pictures() -> None:
    small, grown = critic(64), critic(256)
    missing, unexpected = grown.load_state_dict(small.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("entries.") for name in missing)
    images = torch.randn(4, 4, 256, 256)
    torch.testing.assert_close(grown(images), small(F.avg_pool2d(images, 4)))


def test_batches_behind_each_other_are_judged_apart() -> None:
    network, images = critic(64), torch.randn(8, 4, 64, 64)
    apart = torch.cat([network(part) for part in images.chunk(2)])
    torch.testing.assert_close(network(images, batches=2), apart)
    assert not torch.allclose(network(images), apart)


def test_bfloat16_is_near_float32() -> None:
    network, images = critic(64), torch.randn(8, 4, 64, 64)
    exact, rough = network(images), network(images, torch.bfloat16)
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() / exact.norm() < 0.03
