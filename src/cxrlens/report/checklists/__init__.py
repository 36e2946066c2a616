"""Reporting checklists (CLAIM 2024, TRIPOD+AI): each item evidenced from the run's own files, or shown as missing."""

from cxrlens.report.checklists.assessment import Assessed, Assessment, assess
from cxrlens.report.checklists.write import write_checklists

__all__ = ["Assessed", "Assessment", "assess", "write_checklists"]
