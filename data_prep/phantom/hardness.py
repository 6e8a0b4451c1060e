"""How far two shortcuts get on phantom films: no training set is worth more than what they leave to learn.

The mean place answers with the mean of the training landmarks, as fractions of the film; template matching
looks for the mean patch around each training landmark by normalised cross-correlation. Both see films that
face left.

  python -m data_prep.phantom.hardness --hardness_patients=60 --hardness_seed=5
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from absl import flags
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.phantom.film import Film, make_film
from data_prep.phantom.patient import Position, sample_patient
from data_prep.phantom.raster import Image
from raspine import program

PATCH_RADII_MM = (8, 12, 16, 24, 32)


@dataclass(frozen=True)
class Reduced:
    """A film at 1 mm a pixel: image, and landmarks [4, 2] in mm from the first pixel's centre."""

    image: Image
    landmarks: NDArray[np.float64]

    @property
    def size(self) -> NDArray[np.float64]:
        """Width and height in mm."""
        return np.array(self.image.shape[::-1], np.float64)


def reduced_films(patients: int, seed: int) -> list[Reduced]:
    """Makes the films of `patients` patients at 1 mm a pixel."""
    films = []
    for number in tqdm(range(patients), desc="patients", delay=2):
        patient = sample_patient(np.random.default_rng([seed, number]))
        for order, position in enumerate(Position):
            generator = np.random.default_rng([seed, number, order])
            films.append(reduce(make_film(patient, position, generator, (0.4, 0.4))))
    return films


def reduce(film: Film) -> Reduced:
    """Shrinks a film to 1 mm a pixel by averaging."""
    rows, columns = film.pixels.shape
    size = (round(columns * film.spacing[1]), round(rows * film.spacing[0]))
    image = cv2.resize(film.pixels, size, interpolation=cv2.INTER_AREA)
    factor = np.array([size[0] / columns, size[1] / rows])
    return Reduced(np.asarray(image, np.float32), (film.landmarks + 0.5) * factor - 0.5)


def mean_place_error(training: Sequence[Reduced], testing: Sequence[Reduced]) -> float:
    """Mean radial error in mm of the mean training position as a fraction of the film."""
    place = np.mean([film.landmarks / film.size for film in training], axis=0)
    errors = [np.linalg.norm(film.landmarks - place * film.size, axis=1) for film in testing]
    return float(np.mean(errors))


def template_error(training: Sequence[Reduced], testing: Sequence[Reduced], radius_mm: int) -> float:
    """Mean radial error in mm of the best match of each landmark's mean patch, 2 * radius_mm + 1 mm wide."""
    templates = [
        np.mean([_patch(film, landmark, radius_mm) for film in training], axis=0)
        for landmark in range(len(training[0].landmarks))
    ]
    errors = [
        np.linalg.norm(_match(film.image, template, radius_mm) - film.landmarks[landmark])
        for film in testing
        for landmark, template in enumerate(templates)
    ]
    return float(np.mean(errors))


def best_template_error(training: Sequence[Reduced], testing: Sequence[Reduced]) -> tuple[float, int]:
    """The smallest template error over the patch sizes, and its radius in mm."""
    return min((template_error(training, testing, radius), radius) for radius in PATCH_RADII_MM)


def _patch(film: Reduced, landmark: int, radius: int) -> Image:
    x, y = film.landmarks[landmark]
    side = 2 * radius + 1
    padded = _padded(film.image, radius)
    return np.asarray(cv2.getRectSubPix(padded, (side, side), (float(x + radius), float(y + radius))), np.float32)


def _match(image: Image, template: Image, radius: int) -> NDArray[np.float64]:
    # Without a little noise the correlation over an even area, a shutter or air, is 0 / 0.
    noise = np.random.default_rng(0).normal(0, 0.005, np.array(image.shape) + 2 * radius)
    padded = _padded(image, radius) + noise.astype(np.float32)
    score = cv2.matchTemplate(padded, template.astype(np.float32), cv2.TM_CCOEFF_NORMED)
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    return np.array([column, row], np.float64)


def _padded(image: Image, radius: int) -> Image:
    return np.asarray(cv2.copyMakeBorder(image, radius, radius, radius, radius, cv2.BORDER_REPLICATE), np.float32)


_PATIENTS = flags.DEFINE_integer(
    "hardness_patients", 60, "Patients; two thirds train, the rest is tested.", lower_bound=3
)
_SEED = flags.DEFINE_integer("hardness_seed", 5, "Seed of the films.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Prints the two errors."""
    films = reduced_films(_PATIENTS.value, _SEED.value)
    cut = 3 * (2 * _PATIENTS.value // 3)
    training, testing = films[:cut], films[cut:]
    print(f"{len(training)} training films, {len(testing)} test films")
    print(f"mean place: MRE {mean_place_error(training, testing):.2f} mm")
    for radius in PATCH_RADII_MM:
        print(f"template, radius {radius} mm: MRE {template_error(training, testing, radius):.2f} mm")


def run() -> None:
    """The console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
