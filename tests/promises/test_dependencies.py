"""pyproject.toml declares what the product imports, nothing else, and says why each is there."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

from tests.helpers.workspace import ROOT

TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
NOT_IMPORTED = {"sentencepiece": "transformers"}  # each is used by another that is declared
RAISED = {"httpx2": "huggingface_hub", "requests": "mlflow", "pydantic_core": "pydantic"}  # errors
OPTIONAL = {"openpyxl": "excel"}  # imported where an extra is installed → the extra


def name_of(requirement: str) -> str:
    """Return the normalized name of a requirement, as PyPI compares them."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


@cache
def imported() -> dict[str, set[str]]:
    """Map the modules that the product imports, anywhere, to the distributions that have them."""
    modules = set()
    for path in [*ROOT.glob("stages/*.py"), *ROOT.glob("temper/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    modules -= {*sys.stdlib_module_names, "stages", "temper"}
    distributions = packages_distributions()
    return {
        module: {name_of(name) for name in distributions[module]}
        for module in modules
        if module in distributions
    }


def test_every_import_is_a_declared_dependency():
    """Not only one that another package happens to bring along."""
    declared = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    declared |= OPTIONAL.keys()
    assert {m for m, names in imported().items() if not names & declared} == RAISED.keys()
    for name, extra in OPTIONAL.items():
        assert name in map(name_of, PROJECT["optional-dependencies"][extra])


def test_every_dependency_is_imported():
    """Or is what an imported one needs for something that temper offers."""
    declared = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    used = set().union(*imported().values())
    assert declared - used == NOT_IMPORTED.keys()


def test_every_dependency_says_why_it_is_there():
    """One line each."""
    lines = TEXT.split("dependencies = [")[1].split("]")[0].strip().splitlines()
    assert [line for line in lines if "#" not in line] == []


def test_every_dependency_is_pinned():
    """To one version, so that an environment can be made again."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {name_of(pin) for pin in pins if "==" in pin}
    everything = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        everything += [r for r in extra if not r.startswith("temper[")]
    assert {name_of(requirement) for requirement in everything} <= pinned
