"""Alpha compositing (Porter and Duff 1984, operator `over`), the same for arrays and tensors."""

from typing import Any, TypeVar

Colours = TypeVar("Colours", bound=Any)
"""A numpy array or a torch tensor."""


def over(colour: Colours, alpha: Colours, background: Colours) -> Colours:
    """colour * alpha + background * (1 - alpha); `colour` is straight, shapes are broadcast."""
    return colour * alpha + background * (1 - alpha)
