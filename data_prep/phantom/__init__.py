"""Synthetic studies written as DICOM."""
