"""``MODEL_CARD.md`` (Mitchell 2019, FAT*): filled from what was measured; without evidence, "not measured"."""

from __future__ import annotations

from pathlib import Path

from cxrlens.folders import RunFolder, write_atomically
from cxrlens.labels import CLASSES
from cxrlens.report import performance
from cxrlens.report.audit_record import read_audit
from cxrlens.report.audited import STATUS_WORDS, audit_view
from cxrlens.report.card_parts import card_parts
from cxrlens.report.data_facts import DataFacts
from cxrlens.report.headline import ORIGINAL
from cxrlens.report.licences import licence_of
from cxrlens.report.limits import limits
from cxrlens.report.records import read_run
from cxrlens.report.rendering import render
from cxrlens.report.reproduce import reproduction
from cxrlens.report.run_facts import run_facts


def write_model_card(run: RunFolder) -> Path:
    """Write ``MODEL_CARD.md`` into the run folder.

    Returns:
        Path of the card.

    Raises:
        RunError: the folder is no run folder, or one of another version.
    """
    record = read_run(run)
    facts, name = run_facts(record), run.root.resolve().name
    on_disk = read_audit(record)
    text = render(
        "model_card.md.j2",
        name=name,
        classes=CLASSES,
        synthetic=record.dataset.synthetic,
        training=facts.training,
        model=record.model or {},
        data=facts.data,
        licences={} if facts.data is None else _licences(facts.data, record.dataset.synthetic),
        split=facts.split,
        headline=facts.head,
        views=facts.views,
        external=facts.external,
        per_class=tuple(performance.PER_CLASS.values()),
        original=ORIGINAL,
        unseen=facts.unseen,
        foreign_audit=on_disk is not None and on_disk.foreign,
        audit=audit_view(record, facts.audit, facts.namer),
        status_words=STATUS_WORDS,
        parts=card_parts(facts, name),
        gate_measured=facts.gate is not None,
        limits=limits(record, facts.data, facts.split, facts.head, facts.found),
        again=reproduction(record, facts.split),
    )
    path = run.root / "MODEL_CARD.md"
    write_atomically(path, text.encode())
    return path


def _licences(data: DataFacts, synthetic: bool) -> dict[str, str]:
    return {row.source: licence_of(row.source, row.collections, synthetic=synthetic) for row in data.rows}
