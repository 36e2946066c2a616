"""The training loop: every step in one place, from the batch to the new weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from cxrlens.augmentation import Augmentation
from cxrlens.batches import Batch
from cxrlens.errors import RunError
from cxrlens.training.data import Loaders
from cxrlens.training.history import EpochRow
from cxrlens.training.measure import measure, sum_over_processes, to_device
from cxrlens.training.objective import Objective, Share
from cxrlens.training.observer import Observer, Step
from cxrlens.training.options import TrainingOptions
from cxrlens.training.parallel import StepContext, at_least_single
from cxrlens.training.randomness import AUGMENTATION, OTHER, derived_seed, generator
from cxrlens.training.remedies import make_objective
from cxrlens.training.schedule import learning_rate

TELL_EVERY = 10
"""Steps between two looks at the running numbers: reading them makes an accelerator wait."""


@dataclass(slots=True)
class Position:
    """Where the training stands: all that is not a tensor of the network or its optimiser.

    Args:
        epoch: the one that runs, from 0.
        step: of this epoch, the next to do.
        sums: loss, right answers and images of this epoch so far, over all processes.
        seconds: spent in this epoch before this process took over.
        history: one row each epoch that is over.
        best_epoch: from 1; 0 = none yet.
        best_value: of the watched measure, larger is better.
    """

    epoch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    seconds: float = 0.0
    history: list[EpochRow] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = -math.inf


@dataclass(slots=True)
class Training:
    """Everything that the loop holds in its hands.

    Args:
        fabric: device, precision and processes.
        model: as Fabric wraps it; it steps.
        bare: the network inside it.
        averaged: what is validated and kept: the bare network, or the moving average of its weights.
        optimizer: as Fabric wraps it.
        loaders: batches of this process.
        options: what was asked for.
        context: tells the dropout layers which step runs.
        observer: told of progress; only in the main process.
        save: write a checkpoint of the moment.
        where: the run folder, for error messages.
    """

    fabric: Fabric
    model: nn.Module
    bare: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    loaders: Loaders
    options: TrainingOptions
    context: StepContext
    observer: Observer
    save: Callable[[], None]
    where: Path
    position: Position = field(default_factory=Position)
    best: dict[str, Tensor] = field(default_factory=dict)
    augmentation: Augmentation = field(init=False)
    objective: Objective = field(init=False)

    def __post_init__(self) -> None:
        self.augmentation = Augmentation(self.options.augmentation)
        self.objective = make_objective(self.options, self.fabric, self.bare, self.loaders)

    def run(self) -> None:
        """Epoch after epoch until the last, or until validation has not improved for long enough."""
        o, p = self.options, self.position
        while p.epoch < o.epochs and not self._is_patience_over():
            began = time.perf_counter() - p.seconds
            self._train_epoch(began)
            row = self._epoch_row(began)
            is_best = self._keep_if_best(row)
            p.history.append(row)
            p.epoch, p.step, p.sums, p.seconds = p.epoch + 1, 0, [0.0, 0.0, 0.0], 0.0
            self.save()
            self.observer.epoch_done(row, is_best)
        if p.epoch < o.epochs:
            self.observer.told(
                f"stopped after epoch {p.epoch}: none better for {o.patience} epochs; best is {p.best_epoch}"
            )

    def _train_epoch(self, began: float) -> None:
        p, batches = self.position, self.loaders.train
        steps = len(batches)
        saved = time.perf_counter()
        running = torch.zeros(
            3, device=self.fabric.device
        )  # loss, right answers, images of this process since last told
        self.model.train()
        for batch in batches.epoch(p.epoch, skip=p.step):
            self._set_learning_rate(p.epoch * steps + p.step, steps)
            running += self.step(batch)
            p.step += 1
            if p.step % TELL_EVERY == 0 or p.step == steps:
                is_due = time.perf_counter() - saved > self.options.checkpoint_seconds
                is_due = self._tell(running, is_due, time.perf_counter() - began)
                running.zero_()
                if is_due and p.step < steps:
                    p.seconds = time.perf_counter() - began
                    self.save()
                    saved = time.perf_counter()

    def step(self, batch: Batch) -> Tensor:
        """From a batch to new weights; returns loss, right answers and images of this process, (3,) float32."""
        o, p, c, fabric = self.options, self.position, self.context, self.fabric
        c.epoch, c.step, c.size = p.epoch, p.step, batch.global_size
        c.start = batch.global_size * fabric.global_rank // fabric.world_size
        torch.manual_seed(
            derived_seed(o.seed, OTHER, p.epoch, p.step, fabric.global_rank)
        )  # for layers of other people

        pixels, targets = to_device(fabric, batch.pixels, batch.targets, channels_last=False)
        drawn = self.augmentation.sample(c.size, generator(o.seed, AUGMENTATION, p.epoch, p.step))
        pixels = self.augmentation.apply(pixels, drawn.slice(c.start, c.start + len(batch)))
        if o.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)

        logits = self.objective.predict(self.model, pixels)
        steps = len(self.loaders.train)
        done = (p.epoch * steps + p.step) / (o.epochs * steps)
        loss = self.objective.loss(Share(logits, targets, batch.rows.to(fabric.device), c.size, done))
        self.optimizer.zero_grad()
        fabric.backward(loss * fabric.world_size)  # DDP takes the mean over processes; this makes it the sum
        if o.gradient_clip:
            fabric.clip_gradients(self.model, self.optimizer, max_norm=o.gradient_clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.objective.finish(float(self.optimizer.param_groups[0]["lr"]))
        if o.ema:
            update_average(self.averaged, self.bare, o.ema, p.epoch * steps + p.step)

        with torch.no_grad():
            plain_loss = F.cross_entropy(at_least_single(logits), targets, reduction="sum")
            right = (logits.argmax(1) == targets).sum()
            return torch.stack([plain_loss.float(), right.float(), torch.full_like(plain_loss, len(batch)).float()])

    def _set_learning_rate(self, step: int, steps: int) -> None:
        o = self.options
        warmup = min(round(o.warmup_epochs * steps), o.epochs * steps // 4)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(o.lr, step, o.epochs * steps, warmup)

    def _tell(self, running: Tensor, is_due: bool, seconds: float) -> bool:
        """Add up over processes, tell the observer, and agree whether a checkpoint is due: the main process decides."""
        p, fabric = self.position, self.fabric
        mine = running.double().cpu() if fabric.device.type != "mps" else running.cpu().double()
        flag = torch.tensor([float(is_due and fabric.is_global_zero)], dtype=torch.float64)
        total = sum_over_processes(fabric, torch.cat([mine, flag])).tolist()
        p.sums = [a + b for a, b in zip(p.sums, total[:3], strict=True)]
        loss, right, images = p.sums
        if not math.isfinite(loss):
            fault = f"the loss is no number any more in epoch {p.epoch + 1}, step {p.step}"
            raise RunError(self.where, fault, f"lower the learning rate (now {self.options.lr:g}) or raise the warm-up")
        self.observer.stepped(Step(p.epoch + 1, p.step, loss / images, right / images, images / max(seconds, 1e-9)))
        return bool(total[3] > 0)

    def _epoch_row(self, began: float) -> EpochRow:
        p, o = self.position, self.options
        train_seconds = time.perf_counter() - began
        some = self.loaders.clean_train
        clean = None if some is None else measure(self.fabric, self.averaged, some, o.channels_last)
        validation = measure(self.fabric, self.averaged, self.loaders.validation, o.channels_last)
        loss, right, images = p.sums
        return EpochRow(
            epoch=p.epoch + 1,
            lr=float(self.optimizer.param_groups[0]["lr"]),
            train_loss=loss / images,
            train_accuracy=right / images,
            clean_train_loss=math.nan if clean is None else clean.loss,
            clean_train_accuracy=math.nan if clean is None else clean.accuracy,
            validation_loss=validation.loss,
            validation_accuracy=validation.accuracy,
            validation_balanced_accuracy=validation.balanced_accuracy,
            images_per_s=images / max(train_seconds, 1e-9),
            seconds=time.perf_counter() - began,
        )

    def _keep_if_best(self, row: EpochRow) -> bool:
        p = self.position
        value = -row.validation_loss if self.options.watch == "validation_loss" else row.validation_balanced_accuracy
        if not value > p.best_value:
            return False
        p.best_epoch, p.best_value = row.epoch, value
        self.best = {name: tensor.detach().clone() for name, tensor in self.averaged.state_dict().items()}
        return True

    def _is_patience_over(self) -> bool:
        p, patience = self.position, self.options.patience
        return patience > 0 and p.epoch - p.best_epoch >= patience


@torch.no_grad()
def update_average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moving average of weights (Polyak & Juditsky 1992), its decay raised as steps pass; buffers are copied."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, weight in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(weight, 1 - decay)
    for kept, buffer in zip(averaged.buffers(), model.buffers(), strict=True):
        kept.copy_(buffer)
