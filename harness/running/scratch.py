"""A folder for what runs leave in the system's temporary one: it is gone with the processes that may have written there.

A run's process ends without the exit functions that would remove such files: TensorFlow writes one for every function that
it traces.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def scratch() -> Iterator[None]:
    """Have this process and all below it make temporary files in a folder of their own, and remove it at the end."""
    folder = tempfile.mkdtemp(prefix="twinloop-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
