"""The steps as a user gives them: a function for each command, and the whole chain is those functions in a row."""

from cxrlens.chain.collecting import PhantomRequest, fetch_set, phantom
from cxrlens.chain.dataset import CurateRequest, curate_collections, split_dataset
from cxrlens.chain.listing import list_models, list_sources
from cxrlens.chain.network import ExplainRequest, TrainRequest, evaluate_run, explain_run, train_run, write_report
from cxrlens.chain.whole import DemoRequest, WholeRequest, demo, run

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
