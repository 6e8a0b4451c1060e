"""Synthetic cervical MRI studies as DICOM: anatomy, signs, two scanners, outcomes with a known best possible AUC."""
