"""Where each item's evidence is looked for, by name."""

from __future__ import annotations

from collections.abc import Callable

from cxrlens.report.checklists import evidence_data, evidence_measures, evidence_model
from cxrlens.report.checklists.found import Found
from cxrlens.report.run_facts import RunFacts

Finder = Callable[[RunFacts], Found | None]

_ALL: tuple[Finder, ...] = (
    evidence_data.sources,
    evidence_data.centres,
    evidence_data.exclusions,
    evidence_data.flow,
    evidence_data.subsets,
    evidence_data.missing_data,
    evidence_data.acquisition,
    evidence_data.labels,
    evidence_data.label_errors,
    evidence_data.partitions,
    evidence_data.disjoint,
    evidence_data.numbers,
    evidence_data.train_and_test,
    evidence_data.demographics,
    evidence_data.characteristics,
    evidence_data.quality,
    evidence_data.data_hash,
    evidence_model.network,
    evidence_model.preprocessing,
    evidence_model.software,
    evidence_model.initialisation,
    evidence_model.training,
    evidence_model.selection,
    evidence_model.model_building,
    evidence_model.imbalance,
    evidence_model.recalibration,
    evidence_model.output,
    evidence_model.artefacts,
    evidence_model.artefacts_used,
    evidence_model.technical,
    evidence_model.gate,
    evidence_measures.metrics,
    evidence_measures.measures,
    evidence_measures.uncertainty,
    evidence_measures.sample_size,
    evidence_measures.internal_test,
    evidence_measures.external_test,
    evidence_measures.robustness,
    evidence_measures.clusters,
    evidence_measures.explanations,
    evidence_measures.all_parts,
    evidence_measures.diagnostic,
    evidence_measures.failures,
    evidence_measures.limitations,
    evidence_measures.interpretation,
)

FINDERS: dict[str, Finder] = {finder.__name__: finder for finder in _ALL}
