"""Contestant: a batch of augmented films from a PyTorch DataLoader with Albumentations, the same work as raspine's."""

import importlib.metadata
import pathlib
from collections.abc import Iterator
from typing import Any

import albumentations as changes
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from . import child

# Of raspine.inputs.augmentation.Augmentation's defaults, in Albumentations' terms.
_ROTATION, _SCALE, _SHIFT, _GAMMA, _CONTRAST, _NOISE, _HOLES, _HOLE = 15, 0.2, 0.06, 0.4, 0.2, 0.02, 2, 0.12
_REPEATS = 1000


def pipeline() -> changes.Compose:
    """Returns turn, scale and shift in one warp, gamma, contrast, noise, blanked squares; then standardised."""
    steps = [
        changes.Affine(
            rotate=(-_ROTATION, _ROTATION),
            scale=(1 / (1 + _SCALE), 1 + _SCALE),
            translate_percent=(-_SHIFT, _SHIFT),
            p=1,
        ),
        changes.RandomGamma((100 / (1 + _GAMMA), 100 * (1 + _GAMMA)), p=1),
        changes.RandomBrightnessContrast(0, _CONTRAST, p=1),
        changes.GaussNoise((0, _NOISE), p=1),
        changes.CoarseDropout((_HOLES, _HOLES), (_HOLE, _HOLE), (_HOLE, _HOLE), p=1),
        changes.Normalize(normalization="image", p=1),
    ]
    return changes.Compose(steps, keypoint_params=changes.KeypointParams("xy", remove_invisible=False))


class Films(torch.utils.data.Dataset):
    """The films of a folder: framed arrays in memory, or PNG files that are read, framed and changed."""

    def __init__(self, folder: str, is_kept: bool, count: int, side: int) -> None:
        self._change, self._side, self._count = pipeline(), side, count
        self._folder, self._is_kept = pathlib.Path(folder), is_kept
        if is_kept:
            with np.load(self._folder / "framed.npz") as stored:
                self._images, self._points = stored["images"], stored["points"]
        else:
            self._points = np.load(self._folder / "stored.npy")

    def __len__(self) -> int:
        # The loader runs dry at the end of an epoch, which would count against it at so few films.
        return self._count * _REPEATS

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns float32 [1, side, side] and [landmark, 2]."""
        number %= self._count
        image, points = (self._images[number], self._points[number]) if self._is_kept else self._read(number)
        changed = self._change(image=image, keypoints=points)
        picture = np.ascontiguousarray(changed["image"].transpose(2, 0, 1), np.float32)
        return torch.from_numpy(picture), torch.from_numpy(np.asarray(changed["keypoints"], np.float32))

    def _read(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        stored = np.asarray(cv2.imread(str(self._folder / f"{number:04d}.png"), cv2.IMREAD_UNCHANGED))
        height, width = stored.shape[:2]
        scale = self._side / max(height, width)
        fitted = cv2.resize(stored, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        top, left = (self._side - fitted.shape[0]) // 2, (self._side - fitted.shape[1]) // 2
        image = np.zeros((self._side, self._side, 1), np.float32)
        image[top : top + fitted.shape[0], left : left + fitted.shape[1], 0] = fitted / np.float32(65535)
        points = (self._points[number] + 0.5) * scale - 0.5 + np.array([left, top], np.float32)
        return image, points.astype(np.float32)


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns the next batch of an endless loader."""
    films = Films(spec["folder"], spec["cache"] == "memory", spec["films"], spec["size"])
    loader = torch.utils.data.DataLoader(
        films,
        spec["batch"],
        shuffle=True,
        drop_last=True,
        num_workers=spec["threads"],
        persistent_workers=True,
        worker_init_fn=_begin,
    )
    batches = _endless(loader)
    names = ("torch", "albumentations", "opencv-python-headless", "numpy")
    return child.Subject(lambda: next(batches), {name: importlib.metadata.version(name) for name in names})


def _begin(_: int) -> None:
    child.die_with_parent()
    cv2.setNumThreads(0)


def _endless(loader: torch.utils.data.DataLoader) -> Iterator[Any]:
    while True:
        yield from loader


if __name__ == "__main__":
    child.serve(prepare)
