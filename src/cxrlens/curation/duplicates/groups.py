"""Groups: whatever is linked by pairs, however indirectly, shows one radiograph."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def group_pairs(paths: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The group of each path that has a duplicate; paths without one are left out.

    A group's id is the hash of its smallest path, so it depends neither on the order of the input nor on other groups.

    Args:
        paths: the images.
        pairs: of paths, both among ``paths``.

    Raises:
        KeyError: a pair names a path that is not among ``paths``.
    """
    parent = {path: path for path in paths}

    def root(path: str) -> str:
        while parent[path] != path:
            parent[path] = parent[parent[path]]
            path = parent[path]
        return path

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    linked: dict[str, list[str]] = {}
    for path in paths:
        linked.setdefault(root(path), []).append(path)
    groups: dict[str, str] = {}
    for first, members in linked.items():
        if len(members) > 1:
            group = "dup-" + hashlib.sha256(first.encode("utf-8", "surrogateescape")).hexdigest()[:12]
            groups.update(dict.fromkeys(members, group))
    return groups
