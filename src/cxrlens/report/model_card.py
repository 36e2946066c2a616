"""``MODEL_CARD.md`` (Mitchell 2019, FAT*): filled from what was measured; without evidence, "not measured"."""

from __future__ import annotations

from pathlib import Path

from cxrlens.folders import RunFolder, write_atomically
from cxrlens.labels import CLASSES
from cxrlens.report import performance
from cxrlens.report.data_facts import DataFacts, data_facts
from cxrlens.report.findings import counted_findings
from cxrlens.report.headline import ORIGINAL, headline
from cxrlens.report.licences import licence_of
from cxrlens.report.limits import limits
from cxrlens.report.naming import Namer
from cxrlens.report.records import read_run
from cxrlens.report.rendering import render
from cxrlens.report.splitting import split_facts
from cxrlens.report.training_facts import training_facts


def write_model_card(run: RunFolder) -> Path:
    """Write ``MODEL_CARD.md`` into the run folder.

    Returns:
        Path of the card.

    Raises:
        RunError: the folder is no run folder, or one of another version.
    """
    record = read_run(run)
    manifest = record.dataset.manifest
    data = data_facts(manifest) if manifest is not None else None
    split, head = split_facts(record.dataset), headline(record)
    views = performance.split_views(record)
    text = render(
        "model_card.md.j2",
        name=run.root.resolve().name,
        classes=CLASSES,
        synthetic=record.dataset.synthetic,
        training=training_facts(record),
        model=record.model or {},
        data=data,
        licences={} if data is None else _licences(data, record.dataset.synthetic),
        split=split,
        headline=head,
        view=views[0] if views else None,
        external=performance.external_views(record),
        per_class=tuple(performance.PER_CLASS.values()),
        original=ORIGINAL,
        limits=limits(record, data, split, head, counted_findings(record.dataset, Namer.of(manifest))),
    )
    path = run.root / "MODEL_CARD.md"
    write_atomically(path, text.encode())
    return path


def _licences(data: DataFacts, synthetic: bool) -> dict[str, str]:
    return {row.source: licence_of(row.source, row.collections, synthetic=synthetic) for row in data.rows}
