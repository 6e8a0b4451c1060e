r"""Reads films or MRI studies with a trained model: distances in millimetres, or a risk, and a verdict.

    python -m experiments.predict --model=run/best --output_dir=DIR film.dcm folder/ ...
    python -m experiments.predict --model=risk/best --output_dir=DIR study/ tree/ volume.nii.gz ...
    python -m experiments.predict --endpoint=grpc://host:8500/NAME --output_dir=DIR film.dcm ...

Folders are searched to any depth. What the model is for stands in its directory. Each file ends up in predictions or
in refused.csv with the reason.

With --endpoint the network runs where the model is served (TensorFlow Serving, exported by experiments.export), and
everything else here: grpc://HOST:PORT/NAME, http://HOST:PORT/v1/models/NAME, or over TLS grpcs:// and https://, each
with /versions/N or /labels/L behind it if wanted. Servers get pictures and spacing, no names and no file. A film that
the server refuses is listed; a server that is gone ends the program with 1 and nothing is left.

A landmark model measures films: landmarks, distances and a verdict for every DICOM, PNG or JPEG file. A film without
pixel spacing gets its landmarks and no verdict; --spacing_mm helps where the spacing is known. A film whose spacing may
be the detector's also gets its verdict at magnifications of 1.0 to 1.2. Points are (x, y) in pixels of the file as
stored, the origin at the centre of its top-left pixel.

A risk model scores studies: everything the scanner sent is indexed by its headers, the sagittal T2 of each study is
found by plane and contrast (--series_uid overrides), and each study gets a row with the risk, the verdict, which series
was taken and why, and what is doubtful. A NIfTI file is a study. The picture shows the slices with Grad-CAM in red.

Leaves in --output_dir: predictions.json, predictions.csv, refused.csv, run.json, and in overlays/ a picture of each.
Films and studies are named as given; with --private_log by a running number, and the log keeps which is which.

Exits with 0 when something was read (also when others were refused), 1 when nothing could be (refused.csv is
still left), 2 when the flags are wrong. Research use only.
"""

from collections.abc import Sequence

from absl import flags

from experiments import endpoints, film_prediction, prediction, reading_flags, risk_threshold, study_prediction
from raspine import program, pseudonyms
from raspine.serving.remote import RemoteModel

_BATCH = flags.DEFINE_integer(
    "batch", None, "How many go through the network together: 8 films or 2 studies unless given.", lower_bound=1
)
_WORKERS = flags.DEFINE_integer("workers", 2, "Threads that read, and that draw.", lower_bound=1)
_OVERLAYS = flags.DEFINE_bool("overlays", True, "Draw a picture of each film or study.")
_PRIVATE_LOG = flags.DEFINE_string("private_log", "", "CSV file to make, mode 0600: which file or study each is.")
for _module in (reading_flags, endpoints, film_prediction, study_prediction, risk_threshold):
    flags.adopt_module_key_flags(_module)

# A study is six pictures to a per-slice network, which makes large maps of each.
_FILMS, _STUDIES = 8, 2


def main(argv: Sequence[str]) -> None:
    """Reads what the arguments name."""
    _check_flags(argv[1:])
    with endpoints.connected() as remote:
        print(_predict(argv[1:], remote))


def _predict(paths: Sequence[str], remote: RemoteModel | None) -> str:
    is_film = reading_flags.is_for_films(remote)
    request = prediction.Request(
        model=reading_flags.MODEL.value,
        paths=tuple(paths),
        output_dir=reading_flags.OUTPUT_DIR.value,
        batch=_BATCH.value or (_FILMS if is_film else _STUDIES),
        workers=_WORKERS.value,
        overlays=_OVERLAYS.value,
        private_log=_PRIVATE_LOG.value,
        remote=remote,
    )
    return film_prediction.predict(request) if is_film else study_prediction.predict(request)


def _check_flags(paths: Sequence[str]) -> None:
    """Checks what can be checked before the network is loaded, or a server asked."""
    reading_flags.check(paths, _OVERLAYS.value)
    try:
        if _PRIVATE_LOG.value:
            pseudonyms.check_private_log(_PRIVATE_LOG.value, reading_flags.OUTPUT_DIR.value)
    except pseudonyms.PrivateLogError as error:
        raise program.UsageError(str(error)) from error


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
