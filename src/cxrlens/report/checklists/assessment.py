"""From a checklist and the facts of a run: each item evidenced, partly so, missing, or not applicable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cxrlens.report.checklists.claim import CLAIM
from cxrlens.report.checklists.evidence import FINDERS
from cxrlens.report.checklists.item import Checklist, Item
from cxrlens.report.checklists.tripod import TRIPOD
from cxrlens.report.run_facts import RunFacts

CHECKLISTS: tuple[Checklist, ...] = (CLAIM, TRIPOD)

State = Literal["evidenced", "partly", "missing", "not applicable"]
STATES: tuple[State, ...] = ("evidenced", "partly", "missing", "not applicable")


@dataclass(frozen=True, slots=True)
class Assessed:
    """An item and how it stands.

    Args:
        words: the figure or fact that is evidence; for "not applicable" the reason; empty for "missing".
        files: where it was read: names in the run folder, ``dataset: …`` for the dataset that the run names.
        supply: what the author must still supply; empty where nothing is.
    """

    item: Item
    state: State
    words: str
    files: tuple[str, ...]
    supply: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """A checklist with every item assessed, in its order."""

    checklist: Checklist
    items: tuple[Assessed, ...]

    def count(self, state: State) -> int:
        """Items in that state."""
        return sum(each.state == state for each in self.items)


def assess(facts: RunFacts) -> tuple[Assessment, ...]:
    """Every checklist. Only what a file holds counts as evidence; intentions and habits do not."""
    return tuple(Assessment(each, tuple(_assessed(item, facts) for item in each.items)) for each in CHECKLISTS)


def _assessed(item: Item, facts: RunFacts) -> Assessed:
    if item.not_applicable:
        return Assessed(item, "not applicable", item.not_applicable, (), "")
    found = FINDERS[item.evidence](facts) if item.evidence else None
    if found is None:
        return Assessed(item, "missing", "", (), item.supply or _how(item))
    state: State = "partly" if found.partly or item.supply else "evidenced"
    supply = "; ".join(part for part in (found.partly, item.supply) if part)
    return Assessed(item, state, facts.namer.withhold(found.words), found.files, supply)


def _how(item: Item) -> str:
    return f"run what makes it: {COMMANDS.get(item.evidence, 'cxrlens evaluate RUN')}"


COMMANDS: dict[str, str] = {
    "preprocessing": "cxrlens train DATASET --out RUN",
    "network": "cxrlens train DATASET --out RUN",
    "software": "cxrlens train DATASET --out RUN",
    "initialisation": "cxrlens train DATASET --out RUN",
    "training": "cxrlens train DATASET --out RUN",
    "selection": "cxrlens train DATASET --out RUN",
    "imbalance": "cxrlens train DATASET --out RUN",
    "quality": "cxrlens curate COLLECTION... --out DATASET",
    "external_test": "cxrlens evaluate RUN --dataset OTHER",
    "partitions": "cxrlens split DATASET",
    "disjoint": "cxrlens split DATASET",
    "numbers": "cxrlens split DATASET",
    "train_and_test": "cxrlens split DATASET",
    "flow": "cxrlens curate COLLECTION... --out DATASET",
    "robustness": "cxrlens audit RUN",
    "clusters": "cxrlens audit RUN",
    "explanations": "cxrlens explain RUN --scorecard",
    "recalibration": "cxrlens calibrate RUN",
    "output": "cxrlens calibrate RUN",
    "gate": "cxrlens gate RUN",
}
"""What a user runs to get evidence that only the tool can make."""
