"""Maps of tensors found by themselves, over models of transformers, keras.applications and keras-hub beside PyTorch's.

    python -m venv models && models/bin/pip install . "transformers==4.57.*" "tf_keras==2.21.*" keras-hub
    models/bin/python tests/evidence/library_maps.py [MODEL]... [--reversed] [--json tests/evidence/results/library_maps.json]
    python -m venv vision && vision/bin/pip install . torchvision
    vision/bin/python tests/evidence/library_maps.py vgg16 resnet50 mobilenet_v2 efficientnet_b0

Two environments, for transformers imports torchvision where that is installed, and a torchvision whose wheel was built for CUDA
does not import beside a torch for CPUs; the pairs of torchvision's models get along with it, transformers does not.

The models are made from configurations, so nothing is downloaded; small ones, and one of twelve layers. The rows that are right
are those of the library's own conversion, or follow from the names of its layers. Where torchvision's model is not the one of
keras.applications (another epsilon, the place of a stride), it is made so by its own arguments, and pictures have a size for
which both pad alike; see ``library_pairs.py``.
"""

import os
import tempfile
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from library_pairs import LIBRARIES
from machine import machine
from maps import measured, summary
from results import read, write

from harness import UsageError
from harness.running.engine import Engine
from harness.running.pairs import Pair
from harness.running.start import LoopError

LEGACY = {"TF_USE_LEGACY_KERAS": "1"}
QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
VERSIONS = ("torch", "torchvision", "tensorflow", "keras", "keras-hub", "transformers", "tf_keras")


def mapped(name: str, place: Path, *, backwards: bool) -> dict[str, Any]:
    """One model's line, in an engine of its own: legacy Keras is chosen by the environment."""
    kind, pair = LIBRARIES[name]
    pair(place / name)
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    os.environ.update(QUIET | (LEGACY if kind == "legacy" else {}))
    with closing(Engine(silence=600.0)) as engine:
        return measured(engine, Pair(place / name), backwards=backwards)


def installed() -> dict[str, str]:
    """The versions of the libraries that are here."""
    found = {}
    for package in VERSIONS:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(LIBRARIES)))
@click.option("--reversed", "backwards", is_flag=True, help="Turn round the order of TensorFlow's variables.")
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(names: tuple[str, ...], backwards: bool, file: Path | None) -> None:
    """Print a line for each model."""
    with tempfile.TemporaryDirectory() as place:
        for name in names or LIBRARIES:
            try:
                line = mapped(name, Path(place), backwards=backwards)
            except (LoopError, UsageError, ImportError) as error:
                click.echo(f"{name:<22} cannot be mapped: {error}")
                continue
            outcomes = ", ".join(f"{number} {said}" for said, number in line["outcomes"].items())
            exact = "exact" if line["exact"] else "not exact"
            click.echo(f"{name:<22} {line['steps']:>3} steps {line['seconds']:>6} s  {exact:<9}  {outcomes}")
            if line["open"]:
                click.echo(f"    open: {', '.join(line['open'])}")
            if file is not None:
                what = name + (", reversed" if backwards else "")
                kept = [row for row in read(file.stem).get("runs", []) if row["what"] != what]
                runs = [*kept, {**summary(what, [line]), "exact": line["exact"]}]
                write(
                    file,
                    {"machine": machine(), "versions": read(file.stem).get("versions", {}) | installed(), "runs": runs},
                )


if __name__ == "__main__":
    main()
