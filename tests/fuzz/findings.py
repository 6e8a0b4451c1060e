"""Where findings stand: the input and a line that says what is wrong with it."""

import hashlib
import pathlib

from fuzz.oracle import FaultError


class Findings:
    """The findings of one target, one for each signature."""

    def __init__(self, folder: pathlib.Path, target: str) -> None:
        self._folder, self._target = folder, target
        folder.mkdir(parents=True, exist_ok=True)
        self._known = {path.read_text(encoding="utf-8").splitlines()[1] for path in folder.glob(f"{target}-*.txt")}

    def add(self, fault: FaultError, data: bytes) -> bool:
        """Writes a finding, unless there is one of its signature; returns whether it was new."""
        if fault.signature in self._known:
            return False
        self._known.add(fault.signature)
        name = f"{self._target}-{hashlib.sha256(fault.signature.encode()).hexdigest()[:8]}"
        (self._folder / f"{name}.bin").write_bytes(data)
        (self._folder / f"{name}.txt").write_text(f"{fault.reason}\n{fault.signature}\n", encoding="utf-8")
        return True

    def __len__(self) -> int:
        return len(self._known)
