"""The section "Can this number be believed?": the audit's verdicts in plain words, and what they stand on."""

from __future__ import annotations

from dataclasses import dataclass

from cxrlens.audit.verdict import ORDER, Status
from cxrlens.report.audit_evidence import Evidence, evidence_of
from cxrlens.report.audit_record import LEAVE_ONE_OUT, TITLES, AuditRecord
from cxrlens.report.naming import Namer
from cxrlens.report.records import RunRecord
from cxrlens.report.rendering import plural
from cxrlens.report.unseen_sources import Unseen, unseen_sources

STATUS_WORDS: dict[Status, str] = {"fail": "fails", "warn": "warns", "unanswered": "no answer", "pass": "passes"}

GROUPS: dict[Status, str] = {
    "fail": "Speaks against the number",
    "warn": "Calls for care",
    "unanswered": "Cannot be answered with these data",
    "pass": "Passes",
}


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    """A verdict as the page shows it."""

    question: str
    sentence: str
    status: Status
    anchor: str


@dataclass(frozen=True, slots=True)
class AuditView:
    """Everything that the section shows.

    Args:
        foreign: the audit is another model's; nothing else is filled in then.
        overall: one sentence for the whole audit.
        headline: the audit's own sentence; empty where it was interrupted.
        thorough: which networks stood in for the run's own.
        cautions: what must be said wherever these figures stand (synthetic, random split, interrupted).
        groups: the verdicts by status, the gravest first.
        unseen: leave one source out.
        evidence: the parts' figures and pictures, leave-one-source-out first.
        not_run: titles of the parts that were not run.
        problems: parts that cannot be read.
    """

    foreign: bool
    overall: str = ""
    headline: str = ""
    thorough: str = ""
    cautions: tuple[str, ...] = ()
    groups: tuple[tuple[Status, str, tuple[ShownVerdict, ...]], ...] = ()
    unseen: Unseen | None = None
    evidence: tuple[Evidence, ...] = ()
    not_run: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def audit_view(record: RunRecord, audit: AuditRecord | None, namer: Namer) -> AuditView | None:
    """``None`` before ``cxrlens audit``. Ids of patients that stand in a sentence of the audit are withheld."""
    if audit is None:
        return None
    if audit.foreign:
        return AuditView(foreign=True)
    shown = [
        ShownVerdict(v.question, namer.withhold(v.sentence), v.status, f"audit-{part.name}")
        for part, v in audit.verdicts
    ]
    return AuditView(
        foreign=False,
        overall=overall_sentence(audit),
        headline=namer.withhold(audit.headline),
        thorough=_thorough(audit),
        cautions=tuple(cautions(record, audit)),
        groups=tuple(
            (status, GROUPS[status], tuple(v for v in shown if v.status == status))
            for status in ORDER
            if any(v.status == status for v in shown)
        ),
        unseen=unseen_sources(audit),
        evidence=tuple(evidence_of(part, record.folder.audit) for part in audit.parts),
        not_run=tuple(TITLES.get(name, name.replace("_", " ")) for name in audit.not_run),
        problems=audit.problems,
    )


def overall_sentence(audit: AuditRecord) -> str:
    """One sentence for a reader in a hurry; what was not looked at is not called good."""
    count = {status: sum(v.status == status for _, v in audit.verdicts) for status in ORDER}
    asked = len(audit.verdicts)
    if not asked:
        return "Nothing was asked yet."
    silent = f"; {plural(count['unanswered'], 'question')} could not be answered" if count["unanswered"] else ""
    unseen = "." if audit.part(LEAVE_ONE_OUT) else ", and how it does on a source it has never seen was not asked."
    if count["fail"]:
        what = f"{count['fail']} of {plural(asked, 'answer')} {'speaks' if count['fail'] == 1 else 'speak'} against it"
        return f"No, not as it stands: {what}{silent}{unseen}"
    if count["warn"]:
        calls = f"{count['warn']} of {plural(asked, 'answer')} {'calls' if count['warn'] == 1 else 'call'} for care"
        return f"Only with care: nothing fails, but {calls}{silent}{unseen}"
    if count["pass"]:
        answered = f"{count['pass']} of {plural(asked, 'question')} found nothing against it"
        return f"Nothing that was looked at speaks against it: {answered}{silent}{unseen}"
    return "That is not known: none of the questions can be answered with these data."


def cautions(record: RunRecord, audit: AuditRecord) -> list[str]:
    """What belongs beside every figure of this audit."""
    said = []
    if record.dataset.synthetic:
        said.append("Measured on synthetic radiographs: this shows that the audit works, and nothing about patients.")
    if (record.dataset.split or {}).get("kind") == "random":
        said.append("The split is random: figures called “inside” are inflated.")
    if not audit.finished:
        said.append("The audit is not finished. What is done stands here; the rest follows when it is run again.")
    return said


def _thorough(audit: AuditRecord) -> str:
    options = audit.options
    if not options:
        return ""
    if options.get("full"):
        return "Networks were trained again as the run's own was (--full)."
    size, epochs = options.get("size"), options.get("epochs")
    how = f", {size} pixels wide, {epochs} epochs" if size and epochs else ""
    return f"Where a network had to be trained again, a small one stood in for the run's own (--fast{how})."
