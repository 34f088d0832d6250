"""`temper check` of changed parameters."""

from pathlib import Path

from temper.cli import check


def examine(write_params, pipeline="stages: {}\n", **changes):
    """Return the mistakes and facts of changed parameters."""
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text(pipeline)
    return check.examine(parameters)


def only(found):
    (mistake,) = found
    return mistake


def line_of(fragment):
    lines = Path("params.yaml").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if fragment in line)
