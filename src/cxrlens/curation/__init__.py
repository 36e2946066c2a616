"""Curation: flags with a score and a reason, copies, exclusions that can be overruled. Deletes nothing."""

from cxrlens.curation.curate import Curation, curate
from cxrlens.curation.flags import FLAGS
from cxrlens.curation.options import CurationOptions

__all__ = ["FLAGS", "Curation", "CurationOptions", "curate"]
