"""The machine that figures were taken on, without its name."""

import pathlib
import platform
from typing import Any

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
_CPU, _MEMORY = pathlib.Path("/proc/cpuinfo"), pathlib.Path("/proc/meminfo")


def describe() -> dict[str, Any]:
    """Returns the processor's name, its instruction sets (None where unknown), memory and system."""
    facts = _fields(_CPU)
    flags = set(facts.get("flags", "").split())
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "flags": {name: name in flags if flags else None for name in _FLAGS},
        "memory_gib": round(gib("MemTotal"), 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def has_amx() -> bool:
    """Returns whether the processor multiplies bfloat16 matrices in tiles."""
    return bool(describe()["flags"]["amx_bf16"])


def gib(field: str = "MemAvailable") -> float:
    """Returns a figure of the machine's memory in GiB; infinity where it cannot be read."""
    value = _fields(_MEMORY).get(field, "").split()
    return int(value[0]) / 2**20 if value else float("inf")


def _fields(path: pathlib.Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in reversed(lines))
    return {name.strip(): value.strip() for name, _, value in pairs}
