"""What is surely subject, surely background, and unknown."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def trimap(alpha_unit: NDArray[np.float32], *, slack: float = 1 / 255) -> NDArray[np.uint8]:
    """255 surely foreground, 0 surely background, 128 unknown: all between, and 1.5 % of the side
    around it. slack: how far from 0 or 1 an alpha may be that is sure; exact ones need next to
    none."""
    unknown = (alpha_unit > slack) & (alpha_unit < 1 - slack)
    edge = ndimage.grey_dilation(alpha_unit > 0.5, 3) != ndimage.grey_erosion(alpha_unit > 0.5, 3)
    reach = max(1, round(alpha_unit.shape[0] * 0.015))
    unknown = ndimage.distance_transform_edt(~(unknown | edge)) <= reach
    return np.where(unknown, 128, np.where(alpha_unit > 0.5, 255, 0)).astype(np.uint8)
