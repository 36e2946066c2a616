"""Where the patient stood: rotation, shift and zoom in one warp, and the mirror."""

from __future__ import annotations

import torch
from kornia.geometry.conversions import normalize_homography
from kornia.geometry.transform import get_affine_matrix2d
from torch import Tensor
from torch.nn import functional as F

from cxrlens.augmentation.parameters import Parameters


def stand(pixels: Tensor, p: Parameters) -> Tensor:
    """One bilinear warp for rotation, shift and zoom; what comes in from outside is black, as padding is."""
    side = pixels.shape[-1]
    grid = _sampling_grid(motion(p, side), side, pixels.device)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def motion(p: Parameters, side: int) -> Tensor:
    """(B, 3, 3) matrices that move the patient, in pixels of a frame of ``side``."""
    centre = torch.full((len(p), 2), (side - 1) / 2)
    matrix: Tensor = get_affine_matrix2d(p.shift * side, centre, p.zoom[:, None].expand(-1, 2), p.angle_deg)
    return matrix


def mirror(pixels: Tensor, p: Parameters) -> Tensor:
    """Left and right exchanged where ``p.flip`` says so."""
    return torch.where(p.flip[:, None, None, None].to(pixels.device), pixels.flip(-1), pixels)


def _sampling_grid(matrix: Tensor, side: int, device: torch.device) -> Tensor:
    """(B, S, S, 2): where each pixel of the result is read, in [-1, 1].

    An affine map is a part that depends on the row plus one that depends on the column: one addition a pixel, a quarter
    of what kornia's ``warp_affine`` and torch's ``affine_grid`` take on a CPU for the same grid.
    """
    m = torch.linalg.inv(normalize_homography(matrix, (side, side), (side, side)))[:, :2].to(device)
    places = torch.linspace(-1, 1, side, device=device)
    by_column = (m[:, :, 0, None] * places).transpose(1, 2)  # (B, S, 2)
    by_row = (m[:, :, 1, None] * places + m[:, :, 2, None]).transpose(1, 2)
    grid: Tensor = by_row[:, :, None, :] + by_column[:, None, :, :]
    return grid
