"""Synthetic chest radiographs by a physical model: the embedded default data. Never a patient; see docs/phantom.md."""

from cxrlens.sources.phantom.exposure import Phantom, expose_patient, make_phantom
from cxrlens.sources.phantom.faults import ALTERATIONS
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.write import PhantomOptions, write_phantom

__all__ = ["ALTERATIONS", "HOSPITALS", "Phantom", "PhantomOptions", "expose_patient", "make_phantom", "write_phantom"]
