"""Where the patient stood: rotation, shift and zoom in one warp, and the mirror."""

from __future__ import annotations

import torch
from kornia.geometry.transform import get_affine_matrix2d, warp_affine
from torch import Tensor

from cxrlens.augmentation.parameters import Parameters


def stand(pixels: Tensor, p: Parameters) -> Tensor:
    """One bilinear warp for rotation, shift and zoom; what comes in from outside is black, as padding is."""
    side = pixels.shape[-1]
    centre = torch.full((len(p), 2), (side - 1) / 2)
    matrix = get_affine_matrix2d(p.shift * side, centre, p.zoom[:, None].expand(-1, 2), p.angle_deg)
    moved: Tensor = warp_affine(pixels, matrix[:, :2].to(pixels.device), (side, side), padding_mode="zeros")
    return moved


def mirror(pixels: Tensor, p: Parameters) -> Tensor:
    """Left and right exchanged where ``p.flip`` says so."""
    return torch.where(p.flip[:, None, None, None].to(pixels.device), pixels.flip(-1), pixels)
