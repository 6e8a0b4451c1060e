"""What a request must be, checked in the exported graph: each rule with a message that a server hands back."""

import tensorflow as tf

from raspine import clinical, film_size

PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
MAX_REQUEST_PIXELS = 2 * film_size.MAX_PIXELS  # of all pictures of a request: 320 MB when they are decoded
MAX_ITEMS = 256  # of a request: gRPC repeats a text as often as a tensor's shape says
MAX_SPACING_MM = 1000.0  # of a film's pixel: distances stay numbers, whatever a header says
_SHORTEST = 57  # bytes of a PNG of one pixel: its start, header, data and end
_GREY = b"\x00"


def required(holds: tf.Tensor, message: str, received: tf.Tensor) -> tf.Operation:
    """Returns an operation that fails unless `holds`, bool [...], is true everywhere.

    Raises:
      tf.errors.InvalidArgumentError: when it runs and the rule is broken; the message holds `received`.
    """
    return tf.debugging.Assert(tf.reduce_all(holds), [f"raspine: {message} Received:", received], summarize=8)


def same_batch(**inputs: tf.Tensor) -> list[tf.Operation]:
    """Returns checks that inputs have as many items as each other: 1 to MAX_ITEMS."""
    (first, one), *others = inputs.items()
    count = tf.shape(one)[0]
    checks = [
        required(count > 0, f"'{first}' holds at least one item.", tf.shape(one)),
        required(count <= MAX_ITEMS, f"'{first}' holds at most {MAX_ITEMS} items.", tf.shape(one)),
    ]
    for name, other in others:
        received = tf.stack([count, tf.shape(other)[0]])
        checks.append(
            required(tf.shape(other)[0] == count, f"'{first}' and '{name}' have as many items as each other.", received)
        )
    return checks


def spacing(values: tf.Tensor, name: str) -> tf.Operation:
    """Returns a check that float32 [batch, 2] is pairs of positive numbers up to MAX_SPACING_MM, or of NaN."""
    unknown = tf.reduce_all(tf.math.is_nan(values), -1)
    known = tf.reduce_all((values > 0) & (values <= MAX_SPACING_MM), -1)
    rule = f"two positive numbers, (row, column) mm up to {MAX_SPACING_MM:g}, or NaN NaN where unknown."
    return required(unknown | known, f"{name} is {rule}", values)


def sides(image: tf.Tensor, name: str) -> tf.Operation:
    """Returns a check that a picture has 1 to 20,000 pixels a side; its last two axes are (height, width)."""
    size = tf.shape(image)[-2:]
    return required(
        (size > 0) & (size <= film_size.MAX_SIDE), f"'{name}' has 1 to {film_size.MAX_SIDE} pixels a side.", size
    )


def grey_pngs(encoded: tf.Tensor) -> tf.Tensor:
    """Returns string [picture] of PNGs, checked by their headers before a decoder sees any (PNG, 11.2.1 IHDR).

    Raises:
      tf.errors.InvalidArgumentError: one is no grey PNG of 8 or 16 bit, or they claim more pixels than are read.
    """
    length = tf.strings.length(encoded)
    long_enough = required(length >= _SHORTEST, "a picture is a grey PNG of 8 or 16 bit.", length)
    with tf.control_dependencies([long_enough]):
        encoded = tf.identity(encoded)
    is_png = tf.equal(tf.strings.substr(encoded, 0, len(PNG_START)), PNG_START)
    depth = tf.strings.substr(encoded, 24, 1)
    is_grey = ((depth == b"\x08") | (depth == b"\x10")) & (tf.strings.substr(encoded, 25, 1) == _GREY)
    header = tf.io.decode_raw(tf.strings.substr(encoded, 24, 2), tf.uint8)
    size = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    fits = tf.reduce_all((size > 0) & (size <= film_size.MAX_SIDE), -1)
    pixels = tf.reduce_prod(tf.cast(size, tf.int64), -1)
    limits = f"{film_size.MAX_SIDE} pixels a side and {film_size.MAX_PIXELS} in all"
    # Sizes beyond the sides' limit could not be summed.
    total = tf.reduce_sum(tf.where(fits, pixels, 0))
    checks = [
        required(is_png, "a picture is a PNG.", length),
        required(is_grey, "a PNG is grey, of 8 or 16 bit: (bit depth, colour type) 8 0 or 16 0.", header),
        required(fits & (pixels <= film_size.MAX_PIXELS), f"a PNG has at most {limits}: (width, height).", size),
        required(
            total <= MAX_REQUEST_PIXELS, f"the pictures of a request have at most {MAX_REQUEST_PIXELS} pixels.", total
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(encoded)


def clinical_values(values: tf.Tensor) -> list[tf.Operation]:
    """Returns checks that float32 [study, 6] is what `raspine.clinical` reads, or NaN."""
    checks = []
    for place, column in enumerate(clinical.COLUMNS):
        cell = values[:, place]
        lowest, highest = clinical.RANGES[column]
        is_in = (cell >= lowest) & (cell <= highest)
        told = f"{lowest:g} to {highest:g}"
        if column not in clinical.YEARS:
            is_in, told = (cell == lowest) | (cell == highest), f"{lowest:g} or {highest:g}"
        message = f"clinical column '{column}' is {told}, or NaN where unknown."
        checks.append(required(tf.math.is_nan(cell) | is_in, message, cell))
    return checks
