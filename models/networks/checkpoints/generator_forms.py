"""Generators of other forms, turned into ones that orders can use, with equal pictures."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch

from core.errors import CheckpointRejected
from models.networks.stylegan3.mapping import normalized

State = Mapping[str, torch.Tensor]
Form = tuple[dict[str, Any], dict[str, torch.Tensor]]


def refuse_stylegan2(state: State) -> None:
    """Raise CheckpointRejected for a StyleGAN2: its synthesis starts from a learned constant."""
    if any(name.startswith("synthesis.b4.") or name == "synthesis.input.const" for name in state):
        raise CheckpointRejected(
            "it is a StyleGAN2 generator; StyleGAN3 is read, and neither turns into the other. Its "
            "pictures can be used: make them with its own program and add them by "
            "`matteforge corpora add --kind images`"
        )


def check_channels(kwargs: Mapping[str, Any], state: State) -> None:
    """Raise CheckpointRejected where config and last layer, whose name ends in its number of
    channels, tell of different pictures."""
    layers = {
        int(found[1]): int(found[2])
        for name in state
        if (found := re.match(r"synthesis\.L(\d+)_\d+_(\d+)\.weight$", name))
    }
    told = kwargs.get("img_channels")
    if layers and told != (drawn := layers[max(layers)]):
        raise CheckpointRejected(
            f"its config tells of pictures of {told} channels, and its last layer draws {drawn}; "
            "one of them is wrong, and so it was saved wrongly"
        )


def colour_from_grey(kwargs: Mapping[str, Any], state: State) -> Form:
    """A generator of grey pictures as one of RGB whose channels are equal (the last layer's only
    output, three times); others as they are."""
    kwargs, changed = dict(kwargs), dict(state)
    if kwargs.get("img_channels") != 1:
        return kwargs, changed
    grey = re.compile(rf"^(synthesis\.L\d+_{kwargs.get('img_resolution')})_1\.(.+)$")
    for name, tensor in state.items():
        if found := grey.match(name):
            own = found[2] in ("weight", "bias")  # not of the affine layer inside
            repeated = tensor.repeat(3, *[1] * (tensor.ndim - 1)) if own else tensor
            del changed[name]
            changed[f"{found[1]}_3.{found[2]}"] = repeated
    return kwargs | {"img_channels": 3}, changed


def of_one_class(kwargs: Mapping[str, Any], state: State, number: int | None) -> Form:
    """A conditional generator as one of a single class; an unconditional one as it is.

    The class's embedding is a constant, and so it goes into the first layer's bias (arXiv
    2006.06676, appendix A, for how the condition enters). Raises CheckpointRejected where no class
    is named, or there is no such class.
    """
    kwargs, changed = dict(kwargs), dict(state)
    classes = kwargs.get("c_dim") or 0
    if not classes:
        if number is not None:
            raise CheckpointRejected("it is not conditional; leave out --class")
        return kwargs, changed
    if number is None or not 0 <= number < classes:
        raise CheckpointRejected(
            f"it is conditional on {classes} classes, and an order draws from one: name it by "
            f"--class 0 to {classes - 1}"
        )
    try:
        embedding = changed.pop("mapping.embed.weight").double()[:, number] / math.sqrt(classes)
        embedding = embedding + changed.pop("mapping.embed.bias").double()
        weight, bias = changed["mapping.fc0.weight"].double(), changed["mapping.fc0.bias"].double()
        z_dim, features = int(kwargs.get("z_dim", 512)), weight.shape[1]
        condition = normalized(embedding[None])[0]
        constant = weight[:, z_dim:] @ condition / math.sqrt(features)
        changed["mapping.fc0.bias"] = (bias + constant).float()
        changed["mapping.fc0.weight"] = (
            (weight[:, :z_dim] * math.sqrt(z_dim / features)).float().contiguous()
        )
    except (KeyError, RuntimeError, IndexError) as error:
        raise CheckpointRejected(f"its mapping does not fit {classes} classes: {error}") from error
    return kwargs | {"c_dim": 0}, changed
