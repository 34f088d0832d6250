"""Write the scores of configurations over their seeds as a table for a paper.

`temper compare base-{1..5} best-{1..5} --table scores.tex`
"""

import io
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from temper.compare import seed_groups
from temper.compare.experiments import Experiment
from temper.compare.model_comparison import Comparison
from temper.compare.seed_groups import Configuration, Tests
from temper.core import csv_file
from temper.core.errors import InputError

LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": "$<$", ">": "$>$", "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip
COLUMNS = (
    "configuration", "trainings", "split", "rows", "score", "seeds", "mean", "sd",
    "difference", "low", "high", "p", "p_holm",
)  # fmt: skip


def check(files: Sequence[Path]) -> None:
    """Check the names of the files to write.

    Raises:
        InputError: a suffix names no format.
    """
    for file in files:
        if file.suffix not in FORMATS:
            raise InputError(
                f"--table {file}: the suffix names the format, {', '.join(FORMATS)}; "
                f"got {file.suffix or 'none'}"
            )


def check_seeds(files: Sequence[Path], opened: Sequence[Experiment]) -> None:
    """Check that there is a deviation to write.

    Raises:
        InputError: no configuration has several seeds.
    """
    if files and not seed_groups.by_configuration(opened):
        raise InputError(
            f"--table {files[0]}: each configuration (parameters, training rows, code) has one "
            "seed here, so there is no deviation; train each with several (dvc exp run --queue -S "
            "seed=1,2,3) and name them all. --markdown and --csv write the scores of single models"
        )


def render(
    file: Path, configurations: Sequence[Configuration], tests: Tests, result: Comparison
) -> str:
    """Return the table in the format that the file's suffix names."""
    return FORMATS[file.suffix](configurations, tests, result)


def markdown(configurations: Sequence[Configuration], tests: Tests, result: Comparison) -> str:
    table = seed_groups.table(configurations, tests, result)
    return f"{table.to_markdown()}\n\n{seed_groups.method(configurations, tests, result)}\n"


def latex(configurations: Sequence[Configuration], tests: Tests, result: Comparison) -> str:
    """Render a floating table with the rules of booktabs."""
    table = seed_groups.table(configurations, tests, result)
    head, *rows = (" & ".join(map(as_latex, line)) for line in (table.head, *table.rows))
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{as_latex(seed_groups.method(configurations, tests, result))}}}",
        r"\begin{tabular}{llrll}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_latex(text: str) -> str:
    text = re.sub(f"[{re.escape(''.join(LATEX))}]", lambda found: LATEX[found[0]], text)
    return re.sub(r"^-(?=\d)", "$-$", text)


def tidy_csv(configurations: Sequence[Configuration], tests: Tests, result: Comparison) -> str:
    """Render a line per configuration and score, with all digits; empty cells are unknown."""
    target = io.StringIO(newline="")
    writer = csv_file.writer(target)
    writer.writerow(COLUMNS)
    rows = len(result.models[0].rows)
    for configuration, differences in zip(configurations, [{}, *tests], strict=True):
        for metric in result.greater_is_better:
            if not (scores := configuration.scores(metric)):
                continue
            sd = statistics.stdev(scores) if len(scores) > 1 else ""
            d = differences.get(metric)
            tested = [d.value, d.low, d.high, d.p, d.adjusted] if d else [""] * 5
            about = [configuration.name, configuration.trainings, result.models[0].split, rows]
            writer.writerow([*about, metric, len(scores), statistics.fmean(scores), sd, *tested])
    return target.getvalue()


FORMATS: dict[str, Callable[[Sequence[Configuration], Tests, Comparison], str]] = {
    ".md": markdown,
    ".tex": latex,
    ".csv": tidy_csv,
}
