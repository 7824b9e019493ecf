"""What is done once, before processes are forked, changes nothing that TensorFlow does in them."""

import functools
import importlib
import inspect
import linecache
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from lazily import tf


def test_autograph_reads_the_sources_anew_that_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of modules that were there, and of one that came later; the original is from a copy of its module."""
    inspect_utils = importlib.import_module("tensorflow.python.autograph.pyct.inspect_utils")
    spec = spec_from_file_location("its_own", inspect_utils.__file__)
    assert spec is not None
    assert spec.loader is not None
    its_own = module_from_spec(spec)
    spec.loader.exec_module(its_own)
    sources = importlib.import_module("harness.running.warm_tensorflow").Sources()

    (tmp_path / "came_later.py").write_text("def step():\n    return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    later = importlib.import_module("came_later")
    monkeypatch.setitem(sys.modules, "by_another_name", later)

    read: list[tuple[str, int]] = []
    plain = linecache.updatecache

    def update(file: str, names: dict[str, object] | None = None) -> list[str]:
        read.append((file, id(names)))
        return plain(file, names)

    here = test_autograph_reads_the_sources_anew_that_it_did
    monkeypatch.setattr(linecache, "updatecache", update)
    for function in (later.step, here, tf.nn.relu, functools.partial(here).func):
        its_own._fix_linecache_record(function)
        file = inspect.getfile(function)
        wanted = sorted(call for call in read if call[0] == file)  # asking a module for its file may import others
        read.clear()
        sources.refreshed(function)
        assert sorted(read) == wanted, file
        assert wanted or function is tf.nn.relu
        read.clear()
