"""Packages are layers: each imports only those before it, and no two modules import each other."""

import pytest

from tests.helpers.imports import ROOT, imported

ORDER = (
    "temper/core",
    "temper/params",
    "temper/metrics",
    "temper/models",
    "temper/tasks/base",
    "temper/tasks",
    "temper/ingest",
    "temper/augmentation",
    "temper/inference.py",
    "temper/teacher.py",
    "temper/tracking",
    "temper/training",
    "temper/engines",
    "temper/prediction",
    "temper/templates.py",
    "temper/evaluation",
    "temper/export",
    "temper/serving",
    "temper/demo",
    "temper/hf_metric.py",
    "stages",
    "temper/repo.py",
    "temper/params_reference.py",
    "temper/check",
    "temper/init",
    "temper/compare",
    "temper/sweep",
    "temper/data_loop",
    "temper/cli",
)
FILES = sorted(p for top in ("stages", "temper") for p in (ROOT / top).rglob("*.py"))
GRAPH = {file.relative_to(ROOT).as_posix(): imported(file) for file in FILES}
EDGES = {  # module → modules it imports; a package's __init__ without code is no module
    name: {p.relative_to(ROOT).as_posix() for p in files} for name, files in GRAPH.items()
}


def layer(path: str) -> int:
    """Return the place in ORDER of the longest prefix that fits."""
    fitting = [at for at, prefix in enumerate(ORDER) if (path + "/").startswith(prefix + "/")]
    return max(fitting, key=lambda at: len(ORDER[at]))


def backward(edges: dict[str, set[str]]) -> list[str]:
    """Return the imports of a later layer."""
    return sorted(
        f"{name} imports {other}"
        for name, others in edges.items()
        for other in others
        if other not in ("temper/__init__.py", "temper/tasks/__init__.py")
        and layer(other) > layer(name)
    )


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the modules that import one another, by repeatedly dropping those that cannot."""
    left = {name: set(others) - {name} for name, others in edges.items()}
    while True:
        needed = set().union(*left.values()) if left else set()
        loose = {name for name, others in left.items() if not others & left.keys()}
        loose |= left.keys() - needed
        if not loose:
            return [sorted(left)] if left else []
        left = {name: others for name, others in left.items() if name not in loose}


def test_every_module_has_a_layer():
    """A new package is put into the order on purpose."""
    for path in EDGES:
        if path != "temper/__init__.py":
            layer(path)


def test_no_package_imports_a_later_one():
    assert backward(EDGES) == []


def test_no_modules_import_one_another():
    """An import inside a function counts too."""
    assert cycles(EDGES) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("temper/core/errors.py", "temper/params/rules.py"),
        ("stages/train.py", "temper/cli/main.py"),
    ],
)
def test_an_import_against_the_order_is_found(name, other):
    assert backward(EDGES | {name: EDGES[name] | {other}}) == [f"{name} imports {other}"]


def test_a_ring_is_found():
    ring = {"temper/core/arrow.py": EDGES["temper/core/arrow.py"] | {"temper/core/artifacts.py"}}
    ring |= {"temper/core/artifacts.py": {"temper/core/arrow.py"}}
    (found,) = cycles(EDGES | ring)
    assert {"temper/core/arrow.py", "temper/core/artifacts.py"} <= set(found)
