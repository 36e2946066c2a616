"""Confident learning: which labels a classifier that never saw them contradicts too surely (Northcutt et al., 2021).

Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", J. Artif. Intell. Res. 70.
Written from the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Suspected:
    """What the search says of n labels.

    Args:
        is_suspect: (n,) bool.
        suggested: (n,) int64, the class that the network would give, other than the label; for suspects.
        margin: (n,) probability of the suggestion minus that of the label, in [-1, 1]; larger is more suspicious.
        joint: (K, K) estimated share of images with label i (rows) whose true class is j (columns); sums to 1.
    """

    is_suspect: NDArray[np.bool_]
    suggested: Ints
    margin: Floats
    joint: Floats


def thresholds(labels: Ints, probabilities: Floats) -> Floats:
    """(K,) mean probability of class j among the images labelled j; infinite where there is none."""
    K = probabilities.shape[1]
    result = np.full(K, np.inf)
    for j in range(K):
        if (labels == j).any():
            result[j] = probabilities[labels == j, j].mean()
    return result


def confident_joint(labels: Ints, probabilities: Floats) -> Ints:
    """(K, K) counts: images labelled i (rows) that are confidently of class j (columns).

    An image counts where some class reaches its threshold; of several that do, for the most probable one.
    """
    K = probabilities.shape[1]
    above = probabilities >= thresholds(labels, probabilities)
    counted = above.any(axis=1)
    best = np.where(above, probabilities, -np.inf).argmax(axis=1)
    counts: Ints = np.bincount(labels[counted] * K + best[counted], minlength=K * K).reshape(K, K).astype(np.int64)
    return counts


def joint_of(labels: Ints, probabilities: Floats) -> Floats:
    """(K, K) estimated joint distribution of label and true class: the counts, scaled to the labels' frequencies."""
    counts = confident_joint(labels, probabilities).astype(np.float64)
    frequency = np.bincount(labels, minlength=probabilities.shape[1]).astype(np.float64)
    rows = counts.sum(axis=1, keepdims=True)
    # A label none of whose images is confidently anything: as the paper's code has it, all of them count as right.
    scaled = np.where(rows > 0, counts / np.maximum(rows, 1), np.eye(len(counts))) * frequency[:, None]
    joint: Floats = scaled / scaled.sum()
    return joint


def find_suspects(labels: Ints, probabilities: Floats) -> Suspected:
    """Prune by noise rate: of each pair i → j, as many images as the joint says, those with the widest margin first.

    Args:
        labels: (n,) int64 in 0..K-1.
        probabilities: (n, K), from networks that did not learn from the image in question.

    Returns:
        The suspects. Images whose own label is the most probable class are never among them.
    """
    n, K = probabilities.shape
    joint = joint_of(labels, probabilities)
    own = probabilities[np.arange(n), labels]
    others = probabilities.copy()
    others[np.arange(n), labels] = -np.inf
    suggested = others.argmax(axis=1).astype(np.int64)
    margin = others.max(axis=1) - own
    is_suspect = np.zeros(n, dtype=bool)
    for i in range(K):
        mine = np.flatnonzero(labels == i)
        for j in range(K):
            most = round(n * joint[i, j])
            if i == j or not most:
                continue
            widest = mine[np.argsort(own[mine] - probabilities[mine, j], kind="stable")[:most]]
            is_suspect[widest[margin[widest] > 0]] = True
    return Suspected(is_suspect, suggested, margin, joint)
