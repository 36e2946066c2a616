"""Calibration: what the probabilities are worth, fitted on the part set aside for it and measured on the test."""
