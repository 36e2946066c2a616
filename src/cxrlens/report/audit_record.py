"""What ``cxrlens audit`` left in a run folder, read leniently: part by part, and only for the model that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.audit.verdict import ORDER, PartResult, Status, Verdict, gravest
from cxrlens.errors import CxrlensError
from cxrlens.folders import RunFolder, read_json
from cxrlens.report.records import RunRecord

LEAVE_ONE_OUT = "leave_one_out"

TITLES: dict[str, str] = {
    LEAVE_ONE_OUT: "A source it has never seen",
    "leakage": "Leakage between the parts of the split",
    "association": "What the files alone give away",
    "shortcuts": "Shortcuts",
    "source_features": "Does the network know the source?",
    "suspects": "Labels that may be wrong",
    "calibration": "Are the probabilities honest?",
    "gate": "What it refuses to judge",
    "explanations": "Can the heat-maps be believed?",
}
"""Parts of the audit in the order they are shown, with what each is called in a report."""


@dataclass(frozen=True, slots=True)
class AuditPart:
    """One part that was run."""

    name: str
    result: PartResult

    @property
    def title(self) -> str:
        """What the part is called in a report."""
        return TITLES.get(self.name, self.name.replace("_", " ").capitalize())

    @property
    def status(self) -> Status:
        """The gravest of its verdicts."""
        return gravest(self.result.verdicts)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An audit as found on disk.

    Args:
        parts: what was run and can be read, in the order of :data:`TITLES`.
        not_run: names of parts that have no result yet, or one that was made with other options or predictions.
        problems: one line for each part that is there but cannot be read.
        foreign: the audit names another model than the run folder holds; nothing of it is shown then.
        finished: every part was run; otherwise the audit was interrupted or asked for some parts only.
        headline: the sentence of ``audit.json``.
        options: how thorough the audit was.
    """

    parts: tuple[AuditPart, ...]
    not_run: tuple[str, ...]
    problems: tuple[str, ...]
    foreign: bool
    finished: bool
    headline: str
    options: Mapping[str, Any]

    def part(self, name: str) -> AuditPart | None:
        """One part by name; ``None`` where it was not run."""
        return next((part for part in self.parts if part.name == name), None)

    @property
    def verdicts(self) -> list[tuple[AuditPart, Verdict]]:
        """Every verdict with its part: the gravest first, then in the order of the parts."""
        pairs = [(part, verdict) for part in self.parts for verdict in part.result.verdicts]
        return sorted(pairs, key=lambda pair: ORDER.index(pair[1].status))


def read_audit(record: RunRecord) -> AuditRecord | None:
    """``None`` before the first part was finished."""
    folder = record.folder.audit
    files = {path.stem: path for path in sorted(folder.glob("*.json"))}
    summary = _summary(record.folder)
    if not files and not summary:
        return None
    parts: list[AuditPart] = []
    problems: list[str] = []
    torn: set[str] = set()
    foreign = _foreign(summary.get("model"), record.model)
    said = summary.get("parts")
    listed = [str(each.get("name")) for each in said if isinstance(each, Mapping)] if isinstance(said, list) else []
    expected = [*TITLES, *(name for name in listed if name not in TITLES)]
    for name in [*expected, *(n for n in files if n not in expected)]:
        if name not in files:
            continue
        try:
            values = read_json(files[name])
            if "verdicts" not in values and name not in expected:
                continue  # a file that a part keeps for itself
            if "key" in summary and values.get("key") != summary["key"]:
                continue  # of another model, dataset or options than the summary: the audit makes it again
            parts.append(AuditPart(name, _checked(PartResult.from_dict(values))))
        except (CxrlensError, KeyError, TypeError, ValueError):
            torn.add(name)
            problems.append(
                f"The part “{TITLES.get(name, name)}” cannot be read; its file is torn or of another version."
            )
    found = {part.name for part in parts}
    not_run = tuple(name for name in expected if name not in found and name not in torn)
    return AuditRecord(
        parts=tuple(parts),
        not_run=not_run,
        problems=tuple(problems),
        foreign=foreign,
        finished=bool(summary) and not not_run and not torn,
        headline=str(summary.get("headline") or ""),
        options=summary["options"] if isinstance(summary.get("options"), Mapping) else {},
    )


def _summary(run: RunFolder) -> dict[str, Any]:
    try:
        return read_json(run.root / "audit.json")
    except CxrlensError:
        return {}


def _foreign(about: Any, model: Mapping[str, Any] | None) -> bool:
    said = about.get("hash") if isinstance(about, Mapping) else about
    mine = (model or {}).get("weights_sha256")
    return isinstance(said, str) and bool(said) and isinstance(mine, str) and said != mine


def _checked(result: PartResult) -> PartResult:
    """``ValueError`` for a status that this version does not know, or a figure that is no object."""
    if not isinstance(result.figures, Mapping) or any(v.status not in ORDER for v in result.verdicts):
        raise ValueError(result)
    return result
