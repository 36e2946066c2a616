"""The steps as a user gives them: a function for each command, and the whole chain is those functions in a row."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from cxrlens.chain.collecting import PhantomRequest, fetch_set, phantom
    from cxrlens.chain.dataset import CurateRequest, curate_collections, split_dataset
    from cxrlens.chain.evaluating import evaluate_run
    from cxrlens.chain.explaining import ExplainRequest, explain_run
    from cxrlens.chain.listing import list_models, list_sources
    from cxrlens.chain.reporting import write_report
    from cxrlens.chain.training import TrainRequest, train_run
    from cxrlens.chain.whole import DemoRequest, WholeRequest, demo, run

# Loaded when first used: no command waits for the libraries of another one.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "collecting": ["PhantomRequest", "fetch_set", "phantom"],
        "dataset": ["CurateRequest", "curate_collections", "split_dataset"],
        "listing": ["list_models", "list_sources"],
        "evaluating": ["evaluate_run"],
        "explaining": ["ExplainRequest", "explain_run"],
        "reporting": ["write_report"],
        "training": ["TrainRequest", "train_run"],
        "whole": ["DemoRequest", "WholeRequest", "demo", "run"],
    },
)

__all__ = [
    "CurateRequest",
    "DemoRequest",
    "ExplainRequest",
    "PhantomRequest",
    "TrainRequest",
    "WholeRequest",
    "curate_collections",
    "demo",
    "evaluate_run",
    "explain_run",
    "fetch_set",
    "list_models",
    "list_sources",
    "phantom",
    "run",
    "split_dataset",
    "train_run",
    "write_report",
]
