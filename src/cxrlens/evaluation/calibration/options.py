"""What the user promises: coverage of the sets, risk of the answers, sensitivity of the operating points."""

from __future__ import annotations

from dataclasses import dataclass

from cxrlens.errors import OptionError
from cxrlens.evaluation.blocks import Bootstrap

FEWEST = 20
"""Independent units (patients) below which nothing is fitted, and nothing is said of a source alone."""


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """How calibration is done.

    Args:
        coverage: share of the images of each class whose prediction set is to hold that class.
        risk: share of wrong answers among the given ones that the default of abstention is to keep below.
        sensitivity: for which the fixed operating point of each class is chosen.
        resamples: of the bootstrap by patient, at least 100.
        seed: of the bootstrap.

    Raises:
        OptionError: a share outside (0, 1), or fewer than 100 resamples.
    """

    coverage: float = 0.90
    risk: float = 0.10
    sensitivity: float = 0.90
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("coverage", "risk", "sensitivity"):
            if not 0 < getattr(self, name) < 1:
                raise OptionError(
                    name, f"{getattr(self, name)} is no share", "give a number between 0 and 1, as in 0.9"
                )
        if self.resamples < 100:
            raise OptionError("resamples", f"{self.resamples} give no interval", "ask for 100 or more")

    @property
    def bootstrap(self) -> Bootstrap:
        """How intervals are made."""
        return Bootstrap(self.resamples, self.seed)


DEFAULTS = CalibrationOptions()
"""What is promised where nobody asks for something else."""
