"""Answers as DICOM objects: structured report, secondary capture, presentation state and segmentation."""
