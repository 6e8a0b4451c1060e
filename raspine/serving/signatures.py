"""What an exported model takes and gives: the one contract of export, servers and clients.

Every signature has a free batch. Arrays may have any height and width (slices at least the network's); PNGs of one
request may differ in size. A landmark model has DEFAULT, PNG, EXAMPLE and DESCRIBE; a risk model these and the GRADCAM
ones, which take the same as their namesakes and give the risk with its map.

    signature         takes                                                   of
    serving_default   image, pixel_spacing                                    films; slices (and clinical)
    serve_png         png, pixel_spacing                                      the same, as 8 or 16-bit grey PNG
    serve_example     examples                                                records of data_prep
    gradcam, gradcam_png, gradcam_example                                     a risk model's, with the map
    describe          request (any text)                                      card: model.json as text

A clinical value is as `raspine.clinical` reads it. The pictures of one request have at most 160 million pixels.
"""

DEFAULT = "serving_default"
PNG = "serve_png"
EXAMPLE = "serve_example"
DESCRIBE = "describe"
GRADCAM, GRADCAM_PNG, GRADCAM_EXAMPLE = "gradcam", "gradcam_png", "gradcam_example"

OF_FILMS = (DEFAULT, PNG, EXAMPLE, DESCRIBE)
OF_STUDIES = (*OF_FILMS, GRADCAM, GRADCAM_PNG, GRADCAM_EXAMPLE)

# Inputs.
IMAGE = "image"  # uint16 [batch, height, width] films, [batch, slice, row, column] studies; white is 65535
SPACING = "pixel_spacing"  # float32 [batch, 2], (row, column) mm; NaN NaN where unknown
CLINICAL = "clinical"  # float32 [batch, 6] as in raspine.clinical.COLUMNS, NaN unknown; only if the model takes some
PICTURE = "png"  # string [batch] films, [batch, slice] studies: grey PNG
EXAMPLES = "examples"  # string [batch]: serialized tf.Example of raspine.records or raspine.study_records
REQUEST = "request"  # string [batch]: any text

# Outputs.
POINTS = "points_px"  # float32 [batch, landmark, 2], (x, y) pixels of the picture given (of a record: its native ones)
CONFIDENCE = "confidence"  # float32 [batch, landmark], 0..1
RISK = "risk"  # float32 [batch], 0..1
LOGIT = "logit"  # float32 [batch]
MAP = "gradcam"  # float32 [batch, height, width] or [batch, slice, height, width] of the network's frame, >= 0
VERDICT = "verdict"  # int32 [batch]: see VERDICTS
CARD = "card"  # string [batch]: JSON of the model: name, version, task, schema or settings, threshold, hashes, versions

VERDICTS = {1: "positive", 0: "negative", -1: "none"}

CARD_FORMAT = 2
MODEL_FILE = "model.json"  # in assets/
MODEL_CARD_FILE = "model_card.md"  # in assets/
WARMUP_FILE = "tf_serving_warmup_requests"  # in assets.extra/


def millimetres(distance: str) -> str:
    """Returns the name of a distance's output, float32 [batch], mm, NaN where unknown."""
    return f"{distance}_mm"
