"""Images that show the same radiograph: exact copies, and copies that were resized, cropped, re-windowed, inverted or
turned.

``fingerprint`` keeps a small picture of each image; ``find_duplicates`` proposes pairs by a learnt descriptor,
confirms them by registering and correlating pixels, and ``group_pairs`` joins them. The method and its measures:
docs/duplicates.md.
"""

from cxrlens.curation.duplicates.fingerprint import Fingerprint, fingerprint
from cxrlens.curation.duplicates.groups import group_pairs
from cxrlens.curation.duplicates.options import DuplicateOptions
from cxrlens.curation.duplicates.search import PAIR_COLUMNS, find_duplicates

__all__ = ["PAIR_COLUMNS", "DuplicateOptions", "Fingerprint", "find_duplicates", "fingerprint", "group_pairs"]
