"""Evaluation: metrics with intervals by patient, baselines, predictions, figures; each split apart."""

from cxrlens.evaluation.evaluate import EvaluationOptions, evaluate, headline, measure
from cxrlens.evaluation.intervals import Interval

__all__ = ["EvaluationOptions", "Interval", "evaluate", "headline", "measure"]
