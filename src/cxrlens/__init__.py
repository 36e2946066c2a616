"""cxrlens: chest radiograph classification with an honest measure of it. Research software, not a medical device."""

__version__ = "0.1.0"

RESEARCH_ONLY = "Research software, not a medical device: not for diagnosis or for decisions about patients."

SYNTHETIC_NOTE = "SYNTHETIC radiographs: nothing here is about patients"
"""What every figure of synthetic pictures says."""
