"""A DICOM node: images in, results out, nothing lost in between."""
