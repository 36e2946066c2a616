"""An item of a checklist, and a checklist: data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """What a reader wants to be told.

    Args:
        number: as the checklist counts.
        section: of the article it belongs to.
        topic: what is asked, in this project's own words.
        evidence: name of a function of :data:`cxrlens.report.checklists.evidence.FINDERS`; empty where no file of a run
            could hold the answer.
        supply: what the author must add for the item to be complete, as an instruction.
        not_applicable: why the item does not apply to a run of this tool; empty where it does.
    """

    number: str
    section: str
    topic: str
    evidence: str = ""
    supply: str = ""
    not_applicable: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """A reporting guideline.

    Args:
        short: what it is called.
        citation: the article that defines it.
        checked: against what the topics of its items were checked.
    """

    short: str
    citation: str
    checked: str
    items: tuple[Item, ...]
