"""Event files for TensorBoard, for those who watch there (extra ``tensorboard``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxrlens.errors import OptionError
from cxrlens.training.history import COLUMNS, EpochRow
from cxrlens.training.observer import Observer, Plan, Step


def summary_writer() -> Any:
    """The class that writes event files; :class:`OptionError` where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OptionError(
            "option tensorboard",
            f"needs a package that cannot be imported ({error})",
            "pip install 'cxrlens[tensorboard]', or leave it out: history.csv holds the same numbers",
        ) from error
    return SummaryWriter


class TensorBoardObserver:
    """Passes everything on to another observer, and writes each epoch's columns as scalars into ``folder``.

    Raises:
        OptionError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, then: Observer) -> None:
        self._writer = summary_writer()(str(folder))
        self._then = then

    def started(self, plan: Plan) -> None:
        """Pass on."""
        self._then.started(plan)

    def stepped(self, step: Step) -> None:
        """Pass on."""
        self._then.stepped(step)

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """A point on every curve; TensorBoard groups them by the part before the slash."""
        values = row.to_dict()
        for column in COLUMNS[1:]:
            group = "clock" if column in ("images_per_s", "seconds") else column.rsplit("_", 1)[-1]
            self._writer.add_scalar(f"{group}/{column}", values[column], row.epoch)
        self._writer.flush()
        self._then.epoch_done(row, is_best)

    def told(self, message: str) -> None:
        """Pass on."""
        self._then.told(message)

    def finished(self) -> None:
        """Close the files."""
        self._writer.close()
        self._then.finished()
