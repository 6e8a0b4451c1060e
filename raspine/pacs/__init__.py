"""The loop with a PACS: images in over DICOMweb or C-STORE, reports back, each once."""
