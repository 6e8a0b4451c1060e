"""MR studies: a folder of classic or Enhanced files, found, ranked, stacked and cut into slices."""

import io
import pathlib
import tempfile

import pydicom
import tiny_stacks
from mri_headers import enhanced, save
from pydicom.dataset import Dataset

from fuzz import ROOT
from fuzz.mutation import dicom, folder
from fuzz.targets import Target
from raspine import study_reading, study_search
from raspine.inputs import slices

_CHOICE = slices.Choice("native_middle", 6, 1.0, (32, 32))


def seeds() -> dict[str, bytes]:
    """Returns packed folders: classic slices, classic ones compressed, both forms of Enhanced MR, a public study."""
    voxels, affine = tiny_stacks.numbers(), tiny_stacks.scanner()
    classic = tiny_stacks.classic(voxels, affine)
    made = {
        "classic": _packed(classic),
        "enhanced": _packed([tiny_stacks.enhanced(voxels, affine, [*range(7)], [1] * 7)]),
    }
    for image in classic:
        image.compress("1.2.840.10008.1.2.4.80", generate_instance_uid=False)
    made["jpeg_ls"] = _packed(classic)
    with tempfile.TemporaryDirectory() as place:
        path = save(pathlib.Path(place) / "echoes", enhanced(7), 14)
        made["echoes"] = folder.pack({"echoes": path.read_bytes()})
    public = sorted((ROOT / "tests" / "data" / "mri_lumbar").glob("D00000[01]*"))[:9]
    return made | {"public": _packed([_corner(pydicom.dcmread(path)) for path in public])}


def _corner(image: Dataset) -> Dataset:
    """The image with its first 32 rows and columns alone: what scanners write is in the header."""
    pixels = image.pixel_array[:32, :32]
    image.Rows = image.Columns = 32
    image.PixelData = pixels.tobytes()
    return image


def _packed(images: list[Dataset]) -> bytes:
    files = {}
    for number, image in enumerate(images):
        stream = io.BytesIO()
        image.save_as(stream, enforce_file_format=True)
        files[f"D{number}"] = stream.getvalue()
    return folder.pack(files)


def read(data: bytes) -> object:
    """Reads every study in a packed folder and returns all that was said on the way."""
    said = []
    with tempfile.TemporaryDirectory() as place:
        found = study_search.find([folder.write(data, pathlib.Path(place) / "study")])
        said += found.refused.values()
        for source in found.sources:
            said += source.flags
            try:
                reading = study_reading.prepare(source, _CHOICE, study_reading.Options(gaps="interpolate"))
            except study_reading.StudyError as error:
                said.append(str(error))
                if error.__cause__ is not None and not isinstance(error.__cause__, ValueError | OSError):
                    raise
                continue
            assert reading.scan.slices.pixels.shape == (6, 32, 32)
            said += reading.scan.flags
            said += [text for other in reading.others for text in other.reasons]
    return said


TARGETS = {"study": Target(read, (study_reading.StudyError,), seeds, folder.mutator(dicom.mutate))}
