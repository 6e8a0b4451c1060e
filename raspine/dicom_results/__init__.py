"""Results as DICOM objects: measurement reports, overlays and pictures that an archive keeps beside the images."""
