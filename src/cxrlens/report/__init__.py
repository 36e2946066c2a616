"""Reports for people: a run's, a dataset's, and the model card. Self-contained, and drawn from what is on disk only."""

from cxrlens.report.curation_report import write_curation_report
from cxrlens.report.model_card import write_model_card
from cxrlens.report.run_report import write_run_report

__all__ = ["write_curation_report", "write_model_card", "write_run_report"]
