"""Loss and accuracy of a split as it is, in evaluation mode."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from cxrlens.batches import Batches
from cxrlens.labels import CLASSES
from cxrlens.training.parallel import at_least_single


@dataclass(frozen=True, slots=True)
class Measured:
    """Over one split, all processes together.

    Args:
        loss: mean cross-entropy in nats, without weights or smoothing.
        accuracy: share of images named right.
        balanced_accuracy: mean recall over the classes that occur.
        images: how many.
    """

    loss: float
    accuracy: float
    balanced_accuracy: float
    images: int

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "n": self.images,
        }


@torch.inference_mode()
def measure(fabric: Fabric, model: nn.Module, batches: Batches, channels_last: bool) -> Measured:
    """Pass every image of ``batches`` through ``model`` in evaluation mode; the mode it had comes back."""
    training = model.training
    model.eval()
    count = len(CLASSES)
    confusion = torch.zeros(count * count, dtype=torch.float64)
    loss = torch.zeros(1, dtype=torch.float64)
    dtype = next(model.parameters()).dtype
    for batch in batches:
        pixels, targets = to_device(fabric, batch.pixels, batch.targets, channels_last)
        logits = at_least_single(model(pixels.to(dtype)))
        loss += F.cross_entropy(logits, targets, reduction="sum").double().cpu()
        confusion += torch.bincount(batch.targets * count + logits.argmax(1).cpu(), minlength=count * count)
    model.train(training)
    total = sum_over_processes(fabric, torch.cat([loss, confusion]))
    table = total[1:].reshape(count, count)
    images = int(table.sum())
    occurs = table.sum(1) > 0
    recall = table.diagonal()[occurs] / table.sum(1)[occurs]
    return Measured(float(total[0]) / images, float(table.trace()) / images, float(recall.mean()), images)


def to_device(fabric: Fabric, pixels: Tensor, targets: Tensor, channels_last: bool) -> tuple[Tensor, Tensor]:
    """Both on the device, the pixels in the memory format that the network has."""
    moved = pixels.to(fabric.device, non_blocking=True)
    if channels_last:
        moved = moved.contiguous(memory_format=torch.channels_last)
    return moved, targets.to(fabric.device, non_blocking=True)


def sum_over_processes(fabric: Fabric, values: Tensor) -> Tensor:
    """Element-wise sum of a small float64 tensor (CPU) over all processes."""
    if fabric.world_size == 1:
        return values
    # MPS has no float64; nothing there runs in several processes, so the device takes it as it is.
    total: Tensor = torch.as_tensor(fabric.all_reduce(values.to(fabric.device), reduce_op="sum")).cpu()
    return total
