"""What may import what, what is public, and what a pair's folder looks like."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "harness").rglob("*.py"))
FRAMEWORKS = {"torch", "tensorflow", "keras"}
MAY_IMPORT_FRAMEWORKS = (
    "running/on_torch.py", "running/on_tensorflow.py", "running/wide", "running/random_", "running/leaks.py",
    "running/capture_torch", "running/capture_tensorflow", "running/torch_files.py", "running/warm_tensorflow.py",
    "faithful/", "mutations/",
)  # fmt: skip
PAIRS = sorted(path.parent for path in (ROOT / "pairs").glob("*/scenario.py"))
NAMES = {"scenario.py", "torch_loop.py", "tensorflow_loop.py"}
COLUMNS = 78
"""Two loops of this width stand side by side on a wide screen."""


def imported(source: str) -> set[str]:
    """Top-level names of everything that a file imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def directly(source: str) -> Iterator[str]:
    """Modules of harness that a file imports when it is itself imported, not in functions or for type checkers."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "harness":
            yield from (f"harness.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT / "harness")))
def test_the_core_imports_no_framework(path: Path) -> None:
    where = path.relative_to(ROOT / "harness").as_posix()
    found = imported(path.read_text(encoding="utf-8")) & FRAMEWORKS
    if not where.startswith(MAY_IMPORT_FRAMEWORKS):
        assert not found, f"harness/{where} imports {', '.join(sorted(found))}; only {MAY_IMPORT_FRAMEWORKS} may"


def test_the_search_for_imports_finds_them_wherever_they_hide() -> None:
    """The twin: it can fail."""
    assert imported("def f():\n    import torch.nn as nn\n    from keras.layers import Dense") == {"torch", "keras"}
    assert imported("if True:\n    try:\n        import tensorflow\n    except ImportError: pass") == {"tensorflow"}
    assert not imported("from . import torch\n# import torch\ntorch = 'import torch'")


PACKAGES = {
    "errors": set(),
    "verdict": set(),
    "words": {"errors"},
    "profiles": set(),
    "template": {"errors"},
    "template_captured": {"errors", "template"},
    "contract": {"errors", "verdict"},
    "faithful": {"errors", "words"},
    "running": {"contract", "errors", "faithful", "verdict"},
    "mutations": {"contract", "running"},
    "oracle": {"contract", "diagnosis", "errors", "judging", "running", "verdict"},
    "diagnosis": {"contract", "errors", "oracle", "running", "verdict", "words"},
    "judging": {"contract", "diagnosis", "errors", "oracle", "report", "running", "verdict"},
    "report": {"contract", "diagnosis", "errors", "verdict"},
    "fixing": {"contract", "diagnosis", "errors", "faithful", "report", "running", "verdict"},
    "worker": {"contract", "errors", "fixing", "judging", "report", "running", "sides", "verdict"},
    "past": {"contract", "errors", "running", "traces", "verdict"},
    "sides": {"contract", "errors", "past", "running", "traces", "verdict"},
    "traces": {"contract", "errors", "oracle", "running", "verdict"},
    "watching": {"errors", "report", "running", "verdict"},
    "plugin": {"contract", "errors", "profiles", "report", "running", "verdict"},
    "laws": {"contract", "oracle", "plugin", "report"},
    "fleet": {"contract", "errors", "laws", "report", "running", "verdict"},
    "commands": {"errors"},
    "doctor": {"errors", "running"},
    "__main__": {"commands"},
}
"""What each part of harness may import: parts lower down only."""


def part_of(path: Path) -> str:
    """The package of a module, or the module itself if it stands in none."""
    return path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


def inner(path: Path) -> set[str]:
    """The parts of harness that a module imports when it is itself imported, but for its own."""
    names = {name.split(".")[1] for name in directly(path.read_text(encoding="utf-8")) if name.startswith("harness.")}
    return names - {part_of(path)}


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT / "harness")))
def test_imports_point_one_way(path: Path) -> None:
    """A part knows only what lies below it; so each can be read, and tested, without the rest."""
    if path == ROOT / "harness" / "__init__.py":
        return
    part = part_of(path)
    assert part in PACKAGES, f"{part} is in no package; say in PACKAGES what it may import"
    assert inner(path) <= PACKAGES[part]


PRINTED = {
    "declared", "may_rise", "message", "mistake", "reason", "reproduce", "sentence", "tensorflow", "torch",
    "trace", "why",
}  # fmt: skip
"""Fields whose text is there to be read by people; what a program must know of it is a field of its own."""
TAKEN_APART = {
    "count", "endswith", "find", "index", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rpartition",
    "rsplit", "split", "startswith",
}  # fmt: skip


def read_back(source: str) -> Iterator[str]:
    """Places where a printed text is taken apart or searched."""
    for node in ast.walk(ast.parse(source)):
        asked: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TAKEN_APART:
            asked = [node.func.value]
        elif isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            asked = node.comparators
        for value in asked:
            while isinstance(value, ast.Call | ast.Subscript):
                inside = value.func if isinstance(value, ast.Call) else value
                value = inside.value if isinstance(inside, ast.Attribute | ast.Subscript) else ast.Constant(None)
            if isinstance(value, ast.Attribute) and value.attr in PRINTED:
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT / "harness")))
def test_no_state_is_read_from_a_printed_text(path: Path) -> None:
    """What a report prints may be reworded without any verdict changing."""
    if part_of(path) != "faithful":  # whose table holds expressions that are run, and no findings
        assert not list(read_back(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "line",
    [
        "side = item.sentence.split()[0]",
        "if '(float32)' in first.torch: pass",
        "found = 'x' not in verdict.findings[0].sentence",
        "verdict.sentence.strip().startswith('EQUIVALENT')",
        "trial.mistake[3:].removeprefix('lr')",
    ],
)
def test_the_search_for_texts_that_are_states_finds_them(line: str) -> None:
    """The twin."""
    assert list(read_back(line))
    assert not list(read_back("item.kind in ('values',) and item.tensor.split('/') and f'{item.sentence}; more'"))


def test_the_core_uses_nothing_but_numpy() -> None:
    known = {*sys.stdlib_module_names, "numpy", "harness", "einops", "h5py"}  # h5py where a file of its own is read
    for path in CORE:
        if part_of(path) in ("contract", "oracle", "judging", "verdict", "errors"):
            assert imported(path.read_text(encoding="utf-8")) <= known, path


def test_public_names_are_these() -> None:
    assert harness.__all__ == sorted(harness.__all__)
    assert set(harness.__all__) == {
        "Accepted", "Port", "Problem", "Range", "Recipe", "Scenario", "UsageError",
        "between", "captured", "coins", "computed", "counter", "fan_in_uniform", "from_file", "initial", "integers",
        "make_problem", "normal", "one_of", "ones", "uniform", "zeros",
    }  # fmt: skip
    for name in harness.__all__:
        assert hasattr(harness, name)
        assert getattr(harness, name).__doc__, f"{name} has no docstring"


def test_the_top_level_is_what_a_reader_is_told() -> None:
    seen = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    passing = {"build", "twinloop.egg-info", "__pycache__"}
    assert seen - passing <= {"LICENSE", "README.md", "conftest.py", "harness", "pairs", "pyproject.toml", "tests"}


@pytest.mark.parametrize("folder", PAIRS, ids=lambda folder: folder.name)
class TestPairFolder:
    def test_has_its_three_files_and_no_others_but_further_ports(self, folder: Path) -> None:
        files = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
        assert files >= NAMES
        assert all(name.startswith("tensorflow_loop_") and name.endswith(".py") for name in files - NAMES)

    def test_loops_import_their_own_framework_only(self, folder: Path) -> None:
        for path in folder.glob("*.py"):
            found = imported(path.read_text(encoding="utf-8"))
            strange = {"scenario.py": FRAMEWORKS, "torch_loop.py": {"tensorflow", "keras"}}.get(path.name, {"torch"})
            assert not found & strange, f"{path.name} imports {found & strange}"
            if path.name == "torch_loop.py":
                assert "harness" not in found, "the reference runs without us, so that it can be pasted back"

    def test_files_import_nothing_of_each_other(self, folder: Path) -> None:
        known = {*sys.stdlib_module_names, *FRAMEWORKS, "numpy", "harness", "torchvision"}
        for path in folder.glob("*.py"):
            assert imported(path.read_text(encoding="utf-8")) <= known, path.name

    def test_two_loops_fit_side_by_side(self, folder: Path) -> None:
        for path in folder.glob("*_loop*.py"):
            lines = path.read_text(encoding="utf-8").splitlines()
            long = [number for number, line in enumerate(lines, start=1) if len(line) > COLUMNS]
            assert not long, f"{path.name}: lines {long} are longer than {COLUMNS} columns"
