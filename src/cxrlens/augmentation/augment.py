"""The augmentation: draw for a batch, apply to it."""

from __future__ import annotations

import torch
from torch import Tensor

from cxrlens.augmentation import exposure, geometry, objects, signature
from cxrlens.augmentation.options import AugmentationOptions
from cxrlens.augmentation.parameters import Parameters, sample


class Augmentation:
    """Random physical effects on a batch of radiographs, for training only.

    Args:
        options: how strongly each effect may act.
    """

    def __init__(self, options: AugmentationOptions | None = None) -> None:
        self.options = options if options is not None else AugmentationOptions()

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw and apply: (B, 1, S, S) float32 in [0, 1] to the same; the input stays as it is."""
        return self.apply(pixels, self.sample(pixels.shape[0], generator))

    def sample(self, count: int, generator: torch.Generator) -> Parameters:
        """Draw what happens to ``count`` images from a CPU generator; ranks draw for the global batch and slice."""
        return sample(self.options, count, generator)

    @torch.no_grad()
    def apply(self, pixels: Tensor, parameters: Parameters) -> Tensor:
        """Apply in the order of the physics: the patient stands, the film is exposed, then frame and marker lie on it.

        Args:
            pixels: (B, 1, S, S) float32 in [0, 1], on any device.
            parameters: B rows.

        Returns:
            The same shape, type, device and range; ``pixels`` itself is not written to.

        Raises:
            ValueError: another shape, or another number of parameters than images.
        """
        if pixels.ndim != 4 or pixels.shape[1] != 1 or pixels.shape[2] != pixels.shape[3]:
            raise ValueError(f"pixels must be (B, 1, S, S), not {tuple(pixels.shape)}")
        if len(parameters) != pixels.shape[0]:
            raise ValueError(f"{len(parameters)} parameters for {pixels.shape[0]} images")
        o = self.options
        moves = o.rotation_deg or o.shift or o.zoom
        out = geometry.stand(pixels, parameters) if moves else pixels.clone()
        if o.flip_probability:
            out = geometry.mirror(out, parameters)
        if o.erase_probability:
            objects.erase_(out, parameters)
        if o.resolution:
            signature.resolution_(out, parameters)
        if o.blur_probability:
            exposure.blur_(out, parameters)
        if o.gamma or o.contrast or o.brightness:
            exposure.tone_(out, parameters)
        if o.local_contrast:
            signature.local_contrast_(out, parameters)
        if o.curve:
            signature.curve_(out, parameters)
        if o.noise:
            exposure.noise_(out, parameters)
        if o.border_probability:
            objects.collimate_(out, parameters)
        if o.marker_probability:
            objects.mark_(out, parameters)
        return out
