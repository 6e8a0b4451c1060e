"""How large a film may be, whether it comes as DICOM, as a picture, in a record or to a served model."""

MAX_SIDE = 20_000  # pixels
MAX_PIXELS = 80_000_000  # a 43 x 43 cm film at 50 micrometres has 74 million; decoding this many takes 5 to 10 s
