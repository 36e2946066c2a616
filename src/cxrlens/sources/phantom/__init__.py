"""Synthetic chest radiographs by a physical model: the embedded default data. Never a patient; see docs/phantom.md."""

from cxrlens.sources.phantom.exposure import Phantom, expose_patient, make_phantom
from cxrlens.sources.phantom.faults import ALTERATIONS
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.leaks import spoil_split
from cxrlens.sources.phantom.plants import PLANTS
from cxrlens.sources.phantom.write import PhantomOptions, write_phantom

__all__ = [
    "ALTERATIONS",
    "HOSPITALS",
    "PLANTS",
    "Phantom",
    "PhantomOptions",
    "expose_patient",
    "make_phantom",
    "spoil_split",
    "write_phantom",
]
