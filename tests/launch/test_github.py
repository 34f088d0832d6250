"""The workflow comments on a pull request: its commands, on a repository with remotes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.helpers import repository
from tests.helpers.comparisons import STUB
from tests.helpers.workspace import ROOT

WORKFLOW = yaml.load((ROOT / "launch/github/compare.yaml").read_text(), Loader=yaml.BaseLoader)
JOB = WORKFLOW["jobs"]["compare"]
GH = """#!/bin/bash
printf '%s\\n' "$GH_REPO $*" >> {log}
case "$*" in
  *--paginate*) if [ -e {log}.ids ]; then cat {log}.ids; fi ;;
  *) cp comment.md {log}.body ;;
esac
"""


@pytest.fixture
def gh(tmp_path) -> Path:
    """Return the log of a `gh` that is in `tmp_path / "bin"`; beside it is the comment's text."""
    programs, log = tmp_path / "bin", tmp_path / "gh.log"
    programs.mkdir()
    (programs / "gh").write_text(GH.format(log=log))
    (programs / "gh").chmod(0o755)
    return log


def run_step(command: str, more: dict[str, str], folder: Path, programs: Path) -> None:
    """Run a step's command as GitHub does where no shell is named."""
    variables = repository.variables(ROOT, **more)
    variables["PATH"] = f"{programs}:{variables.get('PATH', os.defpath)}"
    done = subprocess.run(
        ["bash", "-e", "-c", command], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_it_may_only_read_and_comment():
    """For pull requests of the repository itself, with actions whose code is fixed."""
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert "permissions" not in JOB
    assert list(WORKFLOW["on"]) == ["pull_request"]  # the base's secrets never meet a fork's code
    assert JOB["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    used = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert len(used) == 2
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in used)
    assert not [step["run"] for step in JOB["steps"] if "${{" in step.get("run", "")]


@pytest.fixture
def pull_request(tmp_path) -> Path:
    """Return a CI's checkout of a branch that changes params.yaml, whose results are pushed."""
    origin = repository.make_stub(tmp_path / "work", STUB)
    run = repository.run
    run(origin, f"dvc remote add -d store {tmp_path / 'store'}")
    repository.commit(origin, "remote")
    run(origin, "dvc push -q")
    run(tmp_path, f"git clone -q --bare {origin} {tmp_path / 'bare.git'}")
    run(origin, f"git remote add origin {tmp_path / 'bare.git'}")
    run(origin, "git checkout -q -b longer")
    repository.set_params(origin, train__epochs=4.0)
    repository.commit(origin, "longer")
    run(origin, "git push -q origin longer")
    checkout = tmp_path / "checkout"
    run(tmp_path, f"git clone -q {tmp_path / 'bare.git'} {checkout} -b longer")
    for command in repository.USER:
        run(checkout, command)
    return checkout


def commands() -> list[tuple[str, dict[str, str]]]:
    """Return the commands after those that install, and the variables of each."""
    given = {"github.base_ref": "HEAD", "github.repository": "me/mine", "github.token": "secret"}
    given["github.event.pull_request.number"] = "7"

    def value(text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: given[found[1]], text)

    steps = [step for step in JOB["steps"] if "run" in step]
    installing = [step["run"] for step in steps[:2]]
    assert installing == ["make setup", ".venv/bin/pip install -c constraints.txt dvc-s3"]
    return [
        (step["run"], {k: value(v) for k, v in step.get("env", {}).items()}) for step in steps[2:]
    ]


@pytest.mark.slow
def test_its_commands_comment_what_compare_found(pull_request, gh, tmp_path):
    """The branch's stage runs, for its results are nowhere; the base's come from DVC's remote."""
    folder = pull_request
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("dvc", "temper"):
        found = shutil.which(name)
        assert found is not None
        (folder / f".venv/bin/{name}").symlink_to(found)
    base = repository.run(folder, "git rev-parse --abbrev-ref origin/HEAD").stdout.strip()
    assert base in ("origin/master", "origin/main")
    for command, more in commands():
        run_step(command, more, folder, tmp_path / "bin")
    listed, new = gh.read_text().splitlines()
    assert listed.startswith("me/mine api --paginate repos/me/mine/issues/7/comments --jq ")
    assert new == "me/mine pr comment 7 --body-file comment.md"  # there was none to replace
    comment = Path(f"{gh}.body").read_text()
    assert re.search(r"workspace vs origin/HEAD: significantly worse on 200 test rows", comment)
    assert "train.epochs" in comment


def test_a_long_comment_ends_in_a_whole_character_and_replaces_its_last_one(gh, tmp_path):
    """Byte 60,000 is inside of one here; GitHub takes 65,536 characters."""
    text = "a" * 59_999 + "é" * 100
    (tmp_path / "comparison.md").write_text(text, encoding="utf-8")
    Path(f"{gh}.ids").write_text("42\n43\n")
    command, more = commands()[-1]
    run_step(command, more, tmp_path, tmp_path / "bin")
    found = Path(f"{gh}.body").read_text(encoding="utf-8")
    assert found == "<!-- temper compare -->\n" + "a" * 59_999
    listed, edited = gh.read_text().splitlines()
    chosen = (
        '.user.login == "github-actions[bot]" and (.body | startswith("<!-- temper compare -->"))'
    )
    assert listed.endswith(f"--jq .[] | select({chosen}) | .id")
    assert edited == (
        "me/mine api --silent -X PATCH repos/me/mine/issues/comments/42 -F body=@comment.md"
    )


def test_all_that_decides_a_model_starts_it():
    """Custom code may lie anywhere, so the paths are those that do not decide."""
    ignored = WORKFLOW["on"]["pull_request"]
    assert list(ignored) == ["paths-ignore"]
    assert set(ignored["paths-ignore"]) == {"docs/**", "tests/**", "benchmarks/**", "**.md"}
