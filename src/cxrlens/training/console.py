"""A bar with loss, accuracy, images/s and time left, and a line an epoch, on standard error."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from cxrlens.training.history import EpochRow
from cxrlens.training.observer import Plan, Step


class ConsoleObserver:
    """Draws a training. Where standard error is no terminal, the lines an epoch remain and the bar is left out.

    The drawing begins with :meth:`started`, so an observer can travel to another process before that.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._steps = 0
        self._console: Console | None = None

    def started(self, plan: Plan) -> None:
        """Name what is trained, and begin the bar."""
        self._console = Console(stderr=True)
        train, validation = plan.images
        self._console.print(
            f"[bold]{plan.model}[/bold], {plan.parameters / 1e6:.2f} M parameters on {plan.device}: "
            f"{train} train and {validation} validation images, {plan.steps} steps an epoch, {plan.epochs} epochs",
            highlight=False,
            soft_wrap=True,
        )
        self._steps = plan.steps
        columns = (
            SpinnerColumn(),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TextColumn(
                "loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.3f}  {task.fields[rate]:.0f} images/s"
            ),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        shown: dict[str, Any] = {
            "epoch": plan.first_epoch,
            "epochs": plan.epochs,
            "loss": 0.0,
            "accuracy": 0.0,
            "rate": 0.0,
        }
        done = (plan.first_epoch - 1) * plan.steps + plan.first_step
        self._bar.start()
        self._task = self._bar.add_task("training", total=plan.epochs * plan.steps, completed=done, **shown)

    def stepped(self, step: Step) -> None:
        """Move the bar."""
        if self._bar is not None and self._task is not None:
            done = (step.epoch - 1) * self._steps + step.step
            numbers: dict[str, Any] = {"loss": step.loss, "accuracy": step.accuracy, "rate": step.images_per_s}
            self._bar.update(self._task, completed=done, epoch=step.epoch, **numbers)

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """A line."""
        star = "  [green]best so far[/green]" if is_best else ""
        self.told(
            f"epoch {row.epoch:3d}  train loss {row.train_loss:.3f} accuracy {row.train_accuracy:.3f}  "
            f"validation loss {row.validation_loss:.3f} accuracy {row.validation_accuracy:.3f}  "
            f"{row.images_per_s:.0f} images/s  {row.seconds:.0f} s{star}"
        )

    def told(self, message: str) -> None:
        """A line above the bar."""
        console = self._console if self._console is not None else Console(stderr=True)
        console.print(message, highlight=False, soft_wrap=True)

    def finished(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
