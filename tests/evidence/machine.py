"""The machine that evidence was measured on: rounding depends on the processor, because kernels differ with what it can do."""

import os
import platform
import re
from pathlib import Path

FLAGS = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "asimd",
    "sve",
)
"""What torch's, TensorFlow's, oneDNN's, MKL's and OpenBLAS's kernels are chosen by."""

SETTINGS = (
    "ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES", "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE", "TF_ENABLE_ONEDNN_OPTS",
)  # fmt: skip
"""Environment variables that choose other kernels than the processor would."""


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """The processor's name, those of its flags that kernels are chosen by, and settings that choose otherwise."""
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    said = dict(re.findall(r"^(\S[^\t:]*?)\s*: (.*)$", text.split("\n\n", 1)[0], re.MULTILINE))
    name = said.get("model name") or platform.processor() or platform.machine()
    numbers = [said[key] for key in ("cpu family", "model") if key in said]
    there = set((said.get("flags") or said.get("Features") or "").split())
    return {
        "processor": f"{name}, family {numbers[0]}, model {numbers[1]}" if len(numbers) == 2 else name,
        "flags": " ".join(flag for flag in FLAGS if flag in there),
        "settings": " ".join(f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ),
    }


def told(found: dict[str, str] | None) -> str:
    """The same as a sentence for a page."""
    if not found:
        return "Measured on a processor that was not written down."
    settings = f", under {found['settings']}" if found["settings"] else ""
    return f"Measured on: {found['processor']}; {found['flags']}{settings}."
