"""Reports for people: of a run, of a dataset, the model card, the checklists. Drawn from what is on disk only."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from cxrlens.report.checklists import write_checklists
    from cxrlens.report.curation_report import write_curation_report
    from cxrlens.report.model_card import write_model_card
    from cxrlens.report.run_report import write_run_report

# Loaded when first used: no command waits for the libraries of another one.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checklists": ["write_checklists"],
        "curation_report": ["write_curation_report"],
        "model_card": ["write_model_card"],
        "run_report": ["write_run_report"],
    },
)

__all__ = [
    "write_checklists",
    "write_curation_report",
    "write_model_card",
    "write_run_report",
]
