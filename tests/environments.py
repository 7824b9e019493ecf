"""Virtual environments for tests, in a moment and without a network: links to what is installed here, but for some packages."""

import subprocess
import sys
from pathlib import Path

OURS = (
    "harness",
    "twinloop",
    "__editable__",
    "einops",
    "msgspec",
    "click",
    "greenlet",
    "xxhash",
    "hypothesis",
    "execnet",
)
TORCH = ("torch", "functorch")
TENSORFLOW = ("tensorflow", "keras", "tf_keras", "tensorboard")


def environment(folder: Path, *without: str) -> Path:
    """The interpreter of an environment that has nothing of ours, and no package whose name begins so."""
    subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    installed = [Path(place) for place in sys.path if place.endswith("-packages")]
    for item in (item for place in installed for item in place.iterdir() if not (packages / item.name).exists()):
        if item.suffix != ".pth" and not item.name.startswith((*OURS, *without, "__pycache__")):
            (packages / item.name).symlink_to(item)
    return folder / "bin" / "python"
