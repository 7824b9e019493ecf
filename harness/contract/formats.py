"""Files of arrays by name: NumPy's, safetensors and HDF5, which Keras saves weights in; read as far as is asked for.

Nothing is unpickled. torch's own format is opened by a process that has torch, which adds itself to ``OPENERS``.
"""

import json
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError

Arrays = Mapping[str, Any]
"""Arrays by name, or what NumPy makes one of when it is indexed; names of a group in a file have it before a slash."""

TORCH = (".pt", ".pth", ".bin", ".ckpt")
"""What files in torch's own format end with."""

MOST = 100_000_000
"""Bytes that the header of a safetensors file may have, by its format."""

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
"""NumPy's types by their names in safetensors; of bfloat16 NumPy has none, so its bits are read."""


def opened(path: Path) -> Arrays:
    """The arrays of a file, by its ending; raises UsageError for one that cannot be read."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    if not path.stat().st_size:
        raise UsageError(f"{path} is empty")
    ending = path.suffix.lower()
    if ending in TORCH and ending not in OPENERS:
        raise UsageError(f"{path} is in torch's format, which only weights= may be; save data as .npy or .npz")
    if ending not in OPENERS:
        raise UsageError(f"{path} ends with {ending or 'nothing'}; what can be read ends with {', '.join(ENDINGS)}")
    return reading(path, lambda: OPENERS[ending](path))


def reading(path: Path, read: Callable[[], Any]) -> Any:
    """What ``read`` gives; raises UsageError where it raises anything, for a file may hold whatever it likes."""
    try:
        return read()
    except UsageError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        if "pickle" in said or "Python objects" in said:
            raise UsageError(
                f"{path} holds Python's objects, not arrays alone; to unpickle them would run code, so save the arrays"
            ) from error
        raise UsageError(f"{path} cannot be read as {path.suffix}: {type(error).__name__}: {said}") from error


def numpy_file(path: Path) -> Arrays:
    """One array without a name (.npy), left on disk until it is used; or several (.npz), each read when it is asked for."""
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    return {"": found} if isinstance(found, np.ndarray) else found


class Safetensors(Mapping[str, Any]):
    """A safetensors file, left on disk: 8 bytes for the header's length, the header as JSON, the tensors' bytes.

    Source: "Format" in the README of safetensors.
    """

    def __init__(self, path: Path) -> None:
        self.path, size = path, path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MOST, size - 8):
                raise UsageError(f"{path} is no safetensors file: its header would be {length} bytes long")
            self.header: dict[str, Any] = json.loads(file.read(length))
        self.header.pop("__metadata__", None)
        self.begin = 8 + length
        for name, told in self.header.items():
            if told["dtype"] not in DTYPES:
                raise UsageError(f"{path}: {name} is of the type {told['dtype']}, which cannot be read")
            first, last = told["data_offsets"]
            if not 0 <= first <= last <= size - self.begin or last - first != self.bytes_of(told):
                raise UsageError(f"{path}: {name} does not lie in the file; it may have been copied in part")

    @staticmethod
    def bytes_of(told: Mapping[str, Any]) -> int:
        """How many bytes a tensor of this type and shape has."""
        return prod(told["shape"]) * np.dtype(DTYPES[told["dtype"]]).itemsize

    def __getitem__(self, name: str) -> Any:
        told = self.header[name]
        kind, shape = DTYPES[told["dtype"]], tuple(told["shape"])
        if not prod(shape):
            return np.zeros(shape, kind)
        place = self.begin + told["data_offsets"][0]
        array = np.memmap(self.path, kind, "r", place, shape or (1,)).reshape(shape)
        if told["dtype"] != "BF16":
            return array
        return (array.astype(np.uint32) << 16).view(np.float32)

    def __iter__(self) -> Any:
        return iter(self.header)

    def __len__(self) -> int:
        return len(self.header)


def hdf5(path: Path) -> Arrays:
    """The data sets of an HDF5 file, such as Keras' ``.weights.h5``, each read when it is indexed."""
    try:
        import h5py  # Keras brings it
    except ImportError as error:
        raise UsageError(f"{path}: to read it takes h5py; `pip install h5py`") from error
    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    h5py.File(path, "r").visititems(note)
    return found


OPENERS: dict[str, Callable[[Path], Arrays]] = {
    ".npy": numpy_file,
    ".npz": numpy_file,
    ".safetensors": Safetensors,
    ".h5": hdf5,
    ".hdf5": hdf5,
}
"""What opens a file, by its ending."""

ENDINGS = (*OPENERS, *TORCH)
