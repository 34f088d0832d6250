"""Reviews, two of them with a wrong label, and the list of doubts about them."""

from pathlib import Path

from temper.data_loop import doubt_list
from temper.data_loop.corrections import CORRECTED
from tests.helpers.tables import read_csv, write_csv

WORDS = {"good": "fine lovely splendid charming", "bad": "awful dreary dismal tedious"}
TASK = {"name": "sequence_classification", "problem_type": "single_label_classification",
        "text": ["text"], "label": "label"}  # fmt: skip


def sentences(label: str, count: int) -> list[str]:
    words = WORDS[label].split()
    return [f"Number {i} was {words[i % 4]} and {words[(i // 4 + 1) % 4]}." for i in range(count)]


def rows_with_mistakes() -> list[dict[str, str]]:
    """Return 80 rows; the labels of rows 10 and 61 are swapped."""
    rows = [{"text": text, "label": label} for label in WORDS for text in sentences(label, 40)]
    rows[10]["label"], rows[61]["label"] = "bad", "good"
    return rows


def listed(parameters, limit=None, similarity=None):
    return doubt_list.find(
        parameters, str, judge="linear", folds=5, similarity=similarity, limit=limit
    )


def correct(found, labels, target="doubts.csv", **changes):
    """Write the list with corrected labels by row number of the file, and other cells changed."""
    doubt_list.write(found.rows, Path(target))
    rows = read_csv(target)
    for row in rows:
        row[CORRECTED] = labels.get(int(row["row"]), "")
        row.update(changes if row[CORRECTED] else {})
    write_csv(target, rows)
    return Path(target)
