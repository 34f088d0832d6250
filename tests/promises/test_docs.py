"""What the documentation names exists: links, files, modules, commands, parameters."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from temper import params
from temper.cli.main import app
from temper.core import yaml_file
from temper.params.renamed import RENAMED
from tests.helpers.workspace import ROOT

PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "data/sample/*.md")
    for page in ROOT.glob(pattern)
)
CURRENT = [page for page in PAGES if page != "CHANGELOG.md"]  # it names what was there before
TOPS = "temper|stages|docs|tests|launch|recipes|benchmarks|data/sample"
PATH = re.compile(rf"(?<![\w./-])(?:{TOPS})/[\w./<>${{}}*-]*")
MODULE = re.compile(r"(?<![\w./-])(?:temper|stages|tests|benchmarks)(?:\.[A-Za-z_]\w*)+")
ADDED = "next_sentence_prediction"  # the task that docs/new-task.md adds


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def code_of(page: str) -> str:
    """Return a page's code blocks and inline code."""
    text = text_of(page)
    return "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", text, re.DOTALL | re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(path: str) -> bool:
    """Say whether a path that a page names is there; `<name>` and `${name}` stand for any name."""
    pattern = re.sub(r"<[^>]*>|\$?\{[^}]*\}", "*", path.rstrip("./"))
    return any(ROOT.glob(pattern))


def module_exists(dotted: str) -> bool:
    """Say whether `package.module.attribute` is there: the module, and the name in its text."""
    base, parts = ROOT, dotted.split(".")
    for i, part in enumerate(parts):
        if (base / part).is_dir():
            base = base / part
        elif (base / f"{part}.py").exists():
            return not parts[i + 1 :] or parts[i + 1] in (base / f"{part}.py").read_text()
        else:
            init = base / "__init__.py"
            return init.exists() and re.search(rf"\b{part}\b", init.read_text()) is not None
    return True


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page):
    """To a file of the repository, and to a heading of it where the link names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        assert not anchor or anchor in anchors(file), f"{page}: no heading #{anchor}"


@pytest.mark.parametrize("page", CURRENT)
def test_named_paths_and_modules_exist(page):
    """`temper/…`, `stages/…`, `docs/…` and the like, and dotted module names in code."""
    code = code_of(page)
    paths = [path for path in PATH.findall(code) if ADDED not in path and "…" not in path]
    assert not [path for path in paths if not exists(path)]
    modules = [name for name in MODULE.findall(code) if ADDED not in name]
    assert not [name for name in modules if not module_exists(name)]


@pytest.mark.parametrize("page", CURRENT)
def test_named_commands_exist(page):
    """`temper <command>` and `make <target>` in code."""
    code = code_of(page)
    commands = set(typer.main.get_command(app).commands)
    assert set(re.findall(r"(?:^|`)temper ([a-z]+)", code, re.MULTILINE)) <= commands
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", code, re.MULTILINE)) <= set(targets)


@pytest.mark.parametrize("page", CURRENT)
def test_parameters_have_their_current_names(page):
    """No page shows a key that an error would call renamed."""
    text = text_of(page)
    assert not [old for old in RENAMED if re.search(rf"(?<![\w.]){re.escape(old)}(?![\w.])", text)]


@pytest.mark.parametrize("page", [page for page in CURRENT if page != "docs/sweep.md"])
def test_examples_of_parameters_are_valid(page, tmp_path):
    """Each YAML block is accepted as part of params.yaml, or of the recipe of the task it names.

    sweep.yaml has a test of its own.
    """
    for block in re.findall(r"```yaml\n(.*?)```", text_of(page), re.DOTALL):
        if ADDED in block:
            continue
        changes = yaml.load(block, Loader=yaml_file.Loader)
        task = changes.get("task", {}).get("name")
        file = f"recipes/sample-{task}.yaml" if task else "params.yaml"
        tree = yaml.load((ROOT / file).read_text(), Loader=yaml_file.Loader)
        tree["task"].pop("labels", None)  # pages name labels of other data
        if task:
            tree["task"] = {}
        merge(tree, changes)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
        params.load(tmp_path / "params.yaml")


def merge(tree: dict, changes: dict) -> None:
    """Set nested values; a task with its name and mappings of made-up names are replaced."""
    for key, value in changes.items():
        is_whole = key == "files" or (key == "task" and "name" in value)
        if isinstance(value, dict) and isinstance(tree.get(key), dict) and not is_whole:
            merge(tree[key], value)
        else:
            tree[key] = value


def test_index_lists_every_page():
    """docs/README.md links to each page and each decision."""
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", text_of("docs/README.md")))
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    assert pages - {"README.md"} <= listed


def test_layout_in_readme_is_complete():
    """Every package of temper/ is in the layout, and README stays short."""
    text = text_of("README.md")
    layout = text.split("## Layout")[1].split("```")[1]
    packages = {path.parent.name for path in ROOT.glob("temper/*/__init__.py")}
    assert packages <= set(re.findall(r"(\w+)/", layout))
    assert len(text.splitlines()) <= 200
