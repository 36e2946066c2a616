"""Everything that the model card and the reporting checklists lean on, read once from a run and its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.folders import read_json
from cxrlens.report import performance
from cxrlens.report.audit_record import AuditRecord, read_audit
from cxrlens.report.data_facts import DataFacts, data_facts
from cxrlens.report.findings import Findings, counted_findings
from cxrlens.report.headline import Headline, headline
from cxrlens.report.naming import Namer
from cxrlens.report.performance import SplitView
from cxrlens.report.records import RunRecord
from cxrlens.report.splitting import SplitFacts, split_facts
from cxrlens.report.training_facts import TrainingFacts, training_facts
from cxrlens.report.unseen_sources import Unseen, unseen_sources

CALIBRATION = Path("calibration.json")
GATE = Path("gate") / "measured.json"
SCORECARD = Path("explanations") / "scorecard.json"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run in facts; a part that was not made, cannot be read, or is another model's is ``None``.

    Args:
        calibration: ``calibration.json``.
        gate: ``gate/measured.json``: what the gate does to held-out radiographs and to strangers.
        scorecard: ``explanations/scorecard.json``.
        audit: of this very model.
    """

    record: RunRecord
    namer: Namer
    data: DataFacts | None
    found: Findings | None
    split: SplitFacts | None
    training: TrainingFacts | None
    head: Headline | None
    views: tuple[SplitView, ...]
    external: tuple[SplitView, ...]
    audit: AuditRecord | None
    unseen: Unseen | None
    calibration: Mapping[str, Any] | None
    gate: Mapping[str, Any] | None
    scorecard: Mapping[str, Any] | None

    def view(self, name: str) -> SplitView | None:
        """The figures of one split."""
        return next((view for view in self.views if view.name == name), None)


def run_facts(record: RunRecord) -> RunFacts:
    """Read and count; nothing is measured anew."""
    manifest = record.dataset.manifest
    namer, audit = Namer.of(manifest), read_audit(record)
    audit = None if audit is not None and audit.foreign else audit
    unseen = unseen_sources(audit)
    return RunFacts(
        record=record,
        namer=namer,
        data=data_facts(manifest) if manifest is not None else None,
        found=counted_findings(record.dataset, namer),
        split=split_facts(record.dataset),
        training=training_facts(record),
        head=headline(record, unseen),
        views=tuple(performance.split_views(record)),
        external=tuple(performance.external_views(record)),
        audit=audit,
        unseen=unseen,
        calibration=_of_this_model(record, CALIBRATION),
        gate=_of_this_model(record, GATE),
        scorecard=_of_this_model(record, SCORECARD),
    )


def _of_this_model(record: RunRecord, place: Path) -> Mapping[str, Any] | None:
    """A JSON file of the run folder, unless it names other weights than the folder holds."""
    try:
        said = read_json(record.folder.root / place)
    except CxrlensError:
        return None
    named: Any = said.get("model", said.get("model_sha256"))
    named = named.get("hash") if isinstance(named, Mapping) else named
    mine = (record.model or {}).get("weights_sha256")
    return None if isinstance(named, str) and isinstance(mine, str) and named != mine else said
