"""Split: train, validation, a locked test part and a calibration part, disjoint by patient and by duplicate group."""

from cxrlens.curation.patients import patient_keys
from cxrlens.split.disjoint import check_disjoint, count_shared
from cxrlens.split.splitting import SplitOptions, SplitResult, split
from cxrlens.split.units import split_units

__all__ = [
    "SplitOptions",
    "SplitResult",
    "check_disjoint",
    "count_shared",
    "patient_keys",
    "split",
    "split_units",
]
