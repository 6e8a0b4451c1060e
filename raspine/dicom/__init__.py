"""DICOM in: pixel values as displayed, pixel spacing with its provenance, orientation."""
