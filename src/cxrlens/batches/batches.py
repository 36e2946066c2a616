"""Batches of one split, in an order that the seed and the epoch alone decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cxrlens.batches.packed import PackedPixels
from cxrlens.errors import DatasetError, OptionError
from cxrlens.labels import class_index


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's images, or this rank's share of them.

    Args:
        pixels: (B, 1, S, S) float32 in [0, 1].
        targets: (B,) int64, positions in ``labels.CLASSES``.
        rows: (B,) int64, positions in :attr:`Batches.manifest`.
        global_size: images in this step over all ranks; ``sum(loss) / global_size`` summed over ranks is the mean.
    """

    pixels: torch.Tensor
    targets: torch.Tensor
    rows: torch.Tensor
    global_size: int

    def __len__(self) -> int:
        return int(self.targets.shape[0])


class Batches:
    """The images of one split in batches of nearly equal size.

    A split of n images gives ceil(n / batch_size) batches whose sizes differ by at most one: no batch is so small that
    batch statistics fail on it. Batches do not depend on the number of ranks: each rank takes a contiguous share of
    the same global batch, shares differ by at most one image, and none is empty, so that no rank waits in vain.

    Args:
        packed: the pixels.
        manifest: the rows of one split; rows whose image could not be packed are left out and counted in ``missing``.
        batch_size: most images a step, over all ranks.
        seed: together with the epoch's number decides the order.
        shuffle: false keeps the manifest's order.
        rank: which share is this process's.
        world_size: how many shares there are.

    Raises:
        DatasetError: no image, or fewer images than shares.
        OptionError: a batch size below two images a share, or a rank out of range.
    """

    def __init__(
        self,
        packed: PackedPixels,
        manifest: pd.DataFrame,
        *,
        batch_size: int = 64,
        seed: int = 0,
        shuffle: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < (least := 2 * world_size if world_size > 1 else 1):
            fault = f"{batch_size} is too small for {world_size} process(es)"
            raise OptionError("batch size", fault, f"give {least} or more: the smallest batch has half as many images")
        if not 0 <= rank < world_size:
            raise OptionError("rank", f"{rank} is not among {world_size} process(es)", "give 0 to world_size - 1")
        present = manifest["path"].isin(packed.paths)
        self.missing = int((~present).sum())
        self.manifest = manifest[present].reset_index(drop=True)
        count = len(self.manifest)
        if count < world_size:
            fault = f"has {count} image(s) for {world_size} process(es)"
            raise DatasetError("the split", fault, "use fewer processes, or ask for a larger share of the images")
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.targets = torch.tensor([class_index(label) for label in self.manifest["label"]], dtype=torch.int64)
        self._pixels = packed.pixels
        self._packed_rows = packed.rows(list(self.manifest["path"]))
        steps = -(-count // batch_size)
        self._bounds = [count * step // steps for step in range(steps + 1)]

    def __len__(self) -> int:
        """Steps an epoch."""
        return len(self._bounds) - 1

    @property
    def images(self) -> int:
        """Images of the split over all ranks."""
        return len(self.manifest)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Positions in :attr:`manifest` in the order of ``epoch``, (n,) int64."""
        if not self.shuffle:
            return np.arange(self.images, dtype=np.int64)
        return np.random.default_rng([self.seed, epoch]).permutation(self.images).astype(np.int64)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """This rank's share of every batch of ``epoch``, from batch ``skip`` on (for a resumed run)."""
        order = self.order(epoch)
        for start, stop in zip(self._bounds[skip:-1], self._bounds[skip + 1 :], strict=True):
            size = stop - start
            low, high = (start + size * share // self.world_size for share in (self.rank, self.rank + 1))
            yield self._batch(order[low:high], size)

    def __iter__(self) -> Iterator[Batch]:
        """Epoch 0."""
        return self.epoch(0)

    def _batch(self, rows: NDArray[np.int64], global_size: int) -> Batch:
        eight_bit = torch.from_numpy(np.ascontiguousarray(self._pixels[self._packed_rows[rows]]))
        pixels = eight_bit.unsqueeze(1).to(torch.float32).div_(255)
        positions = torch.from_numpy(rows)
        return Batch(pixels, self.targets[positions], positions, global_size)
