"""``report.html`` of a dataset folder: what went in, what was found, how it was divided."""

from __future__ import annotations

from pathlib import Path

from cxrlens.folders import DatasetFolder, write_atomically
from cxrlens.report.data_facts import data_facts
from cxrlens.report.findings import findings
from cxrlens.report.naming import Namer
from cxrlens.report.records import read_dataset
from cxrlens.report.rendering import render
from cxrlens.report.splitting import split_facts

CONTENTS = (("data", "What went in"), ("found", "What was found"), ("split", "How it was divided"))


def write_curation_report(dataset: DatasetFolder) -> Path:
    """Write ``report.html`` into the dataset folder; works before and after ``cxrlens split``.

    Returns:
        Path of the report.

    Raises:
        DatasetError: the folder holds no manifest.
    """
    record = read_dataset(dataset)
    namer = Namer.of(record.manifest)
    path = dataset.root / "report.html"
    text = render(
        "curation.html.j2",
        contents=CONTENTS,
        name=dataset.root.resolve().name,
        synthetic=record.synthetic,
        problems=record.problems,
        data=data_facts(record.manifest) if record.manifest is not None else None,
        findings=findings(record, namer),
        pairs_missing=record.pairs is None,
        split=split_facts(record),
    )
    write_atomically(path, text.encode())
    return path
