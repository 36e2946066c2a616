"""Evidence on the data: sources, exclusions, labels, partitions, what is known of patients."""

from __future__ import annotations

import pandas as pd

from cxrlens.report.checklists.found import MANIFEST, SPLIT, Found
from cxrlens.report.data_facts import SourceRow
from cxrlens.report.licences import caveats_of, licence_of
from cxrlens.report.rendering import NOT_RECORDED, count, percent, plural
from cxrlens.report.run_facts import RunFacts


def sources(facts: RunFacts) -> Found | None:
    """Which sources, how many images of each, under which licence."""
    data = facts.data
    if data is None or not data.rows:
        return None
    synthetic = facts.record.dataset.synthetic
    licensed = sum(licence_of(r.source, r.collections, synthetic=synthetic) != NOT_RECORDED for r in data.rows)
    counted = ", ".join(f"{row.source} {row.total:,}" for row in data.rows)
    words = f"{plural(data.images, 'image')} from {plural(len(data.rows), 'source')}: {counted}"
    return Found(f"{words}; the licence is known of {licensed} of {len(data.rows)}", (MANIFEST,))


def centres(facts: RunFacts) -> Found | None:
    """How many sources stand for centres."""
    if facts.data is None or not facts.data.rows:
        return None
    return Found(
        f"{plural(len(facts.data.rows), 'source')}, named in the report", (MANIFEST,), "whether each is one centre"
    )


def exclusions(facts: RunFacts) -> Found | None:
    """Images set aside, by reason."""
    if facts.found is None or facts.data is None:
        return None
    reasons = "; ".join(f"{reason}: {n:,}" for reason, n in facts.found.excluded[:5]) or "none"
    more = f"; {len(facts.found.excluded) - 5} more reasons" if len(facts.found.excluded) > 5 else ""
    total = sum(n for _, n in facts.found.excluded)
    return Found(f"{plural(total, 'image')} set aside, each with its reason ({reasons}{more})", (MANIFEST,))


def flow(facts: RunFacts) -> Found | None:
    """From all images to the parts of the split, in numbers."""
    data = facts.data
    if data is None or not data.splits:
        return None
    parts = ", ".join(f"{name} {sum(t[name] for t in data.totals.values()):,}" for name in data.splits)
    words = f"{data.images + data.excluded:,} collected, {data.excluded:,} set aside, {data.images:,} kept: {parts}"
    unknown = f"; patient unknown for {data.unknown_patients:,}" if data.unknown_patients else ""
    return Found(f"{words}{unknown}", (MANIFEST,), "how many patients were asked before the images were collected")


def subsets(facts: RunFacts) -> Found | None:
    """Kept images by class."""
    data = facts.data
    if data is None:
        return None
    counted = ", ".join(f"{label} {cell['all']:,}" for label, cell in data.totals.items())
    return Found(f"every readable image of the collections that is not set aside: {counted}", (MANIFEST,))


def missing_data(facts: RunFacts) -> Found | None:
    """How often view, sex, age and patient are unknown; nothing is made up for them."""
    data = facts.data
    if data is None:
        return None
    unknown = [f"{known.column} {count(known.total - known.known)}" for known in data.known]
    words = f"unknown of {data.images:,} images: {', '.join([*unknown, f'patient {count(data.unknown_patients)}'])}"
    return Found(f"{words}; kept as unknown, nothing is imputed", (MANIFEST,))


def acquisition(facts: RunFacts) -> Found | None:
    """The view, where it is known."""
    view = next((known for known in facts.data.known if known.column == "view"), None) if facts.data else None
    if view is None or not view.known:
        return None
    values = ", ".join(f"{value} {n:,}" for value, n in view.values)
    return Found(f"the view is known for {view.known:,} of {view.total:,} ({values})", (MANIFEST,))


def labels(facts: RunFacts) -> Found | None:
    """Labels as the collections give them, with what the catalogue warns of."""
    data = facts.data
    if data is None:
        return None
    warned = [row.source for row in data.rows if caveats_of(row.source, row.collections)]
    known = f"; the catalogue's caveats are in the report for {', '.join(warned)}" if warned else ""
    return Found(f"labels are those that each collection gives its images{known}", (MANIFEST,))


def label_errors(facts: RunFacts) -> Found | None:
    """Copies with two labels; suspects of the audit."""
    words, files = [], []
    if facts.found is not None and facts.record.dataset.pairs is not None:
        words.append(f"{plural(facts.found.conflicts, 'pair')} of copies with different labels")
        files.append("dataset: duplicate_pairs.csv")
    part = facts.audit.part("suspects") if facts.audit else None
    if part is not None and part.status != "unanswered":
        words.append(part.result.verdicts[0].sentence)
        files.append("audit/suspects.json")
    return Found("; ".join(words), tuple(files)) if words else None


def partitions(facts: RunFacts) -> Found | None:
    """How the split was made."""
    split = facts.split
    if split is None or facts.record.dataset.split is None:
        return None
    sizes = ", ".join(f"{name} {n:,}" for name, n in split.sizes)
    return Found(f"divided {split.words}, seed {split.seed}: {sizes}", (SPLIT, MANIFEST))


def disjoint(facts: RunFacts) -> Found | None:
    """Shared patients and copies, counted afresh."""
    split = facts.split
    if split is None:
        return None
    shared = f"{split.shared_patients} of {plural(split.patients, 'known patient')} and {split.shared_groups} of"
    words = f"{shared} {plural(split.groups, 'group')} of copies lie in more than one part"
    partly = ""
    if split.unknown_patients:
        share = percent(split.unknown_patients / max(split.images, 1))
        partly = f"the patients behind {plural(split.unknown_patients, 'image')} ({share}), whom nobody recorded"
    return Found(words, (MANIFEST,), partly)


def numbers(facts: RunFacts) -> Found | None:
    """Images of each class in each part."""
    data = facts.data
    if data is None or not data.splits:
        return None
    rows = [f"{label} {' / '.join(f'{cell[s]:,}' for s in data.splits)}" for label, cell in data.totals.items()]
    return Found(f"{' / '.join(data.splits)}: {'; '.join(rows)}", (MANIFEST,))


def train_and_test(facts: RunFacts) -> Found | None:
    """Whether the parts come from the same sources, and the share of each class in them."""
    data = facts.data
    if data is None or not {"train", "test"} <= set(data.splits):
        return None
    size = {part: max(sum(cell[part] for cell in data.totals.values()), 1) for part in ("train", "test")}
    shares = [
        f"{label} {percent(cell['train'] / size['train'])} and {percent(cell['test'] / size['test'])}"
        for label, cell in data.totals.items()
    ]
    only = [row.source for row in data.rows if _in(row, "test") and not _in(row, "train")]
    of = f"{', '.join(only)} in test only" if only else "every source of the test is in training too"
    words = f"{of}; share of each class in train and test: {', '.join(shares)}"
    return Found(words, (MANIFEST,), "sex and age in each part, which most sources do not tell")


def _in(row: SourceRow, part: str) -> int:
    return sum(cell[part] for cell in row.cells.values())


def demographics(facts: RunFacts) -> Found | None:
    """Sex and age in each part, as far as known."""
    data, kept = facts.data, facts.record.dataset.kept
    if data is None or kept is None or not any(k.known for k in data.known if k.column in ("sex", "age")):
        return None
    said = []
    for part in data.splits:
        rows = kept[kept["split"] == part]
        sex = rows.loc[rows["sex"] != "", "sex"].value_counts()
        age = pd.to_numeric(rows["age"], errors="coerce").dropna()
        sexes = ", ".join(f"{value} {n:,}" for value, n in sex.items()) or "sex unknown"
        ages = f"median age {age.median():.0f} of {len(age):,}" if len(age) else "age unknown"
        said.append(f"{part} ({len(rows):,} images): {sexes}, {ages}")
    return Found("; ".join(said), (MANIFEST,), "the patients' condition")


def characteristics(facts: RunFacts) -> Found | None:
    """Counts by source and class, with what is known of the patients."""
    data = facts.data
    if data is None or not data.rows:
        return None
    known = ", ".join(f"{k.column} {k.known:,}" for k in data.known)
    words = f"images by source and class in the report; known of {data.images:,} images: {known}"
    return Found(words, (MANIFEST,))


def quality(facts: RunFacts) -> Found | None:
    """What curation checked and found."""
    curation = facts.record.dataset.curation
    if curation is None or facts.found is None or facts.data is None:
        return None
    total = sum(n for _, n in facts.found.excluded)
    words = f"copies, labels in conflict, unreadable, blank and turned files were searched for; {total:,} set aside"
    return Found(words, ("dataset: curation.json", MANIFEST))


def data_hash(facts: RunFacts) -> Found | None:
    """The hash that names the dataset."""
    return None if facts.split is None else Found(f"the dataset's hash is {facts.split.hash}", (MANIFEST,))
