"""Peak memory of writing data/raw by rows: the download stage's pass over a CSV file.

`python benchmarks/memory_data.py`: each measurement runs in a new process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

WRITING = """
import json, resource, sys
from pathlib import Path
from stages import download
from temper import params
from temper.params.data import DataParams
from temper.ingest import dataset
source, target, options = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
p = params.load(Path("params.yaml"))
data = p.data.model_dump(mode="json", exclude_unset=True)
data |= {"files": {"train": str(source)}, "overlap": "drop_from_train"} | options
data = DataParams.model_validate_json(json.dumps(data))
task = p.task.model_copy(update={"text": ("text",), "labels": None})
target.mkdir()
dataset.write(download.open_local_splits(data, {}.setdefault), task, data, target)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""
OPTIONS = {
    "filter": {"min_characters": 12, "applies_to": ["train"]},
    "fold": {"k": 5, "index": 0},
    "subset": {"train": 0.5},
}


def write_rows(file: Path, rows: int) -> None:
    """Write short texts of two labels; every tenth repeats an earlier one."""
    with file.open("w", encoding="utf-8") as handle:
        handle.write("text,label\n")
        for i in range(rows):
            number = i // 2 if i % 10 == 9 else i
            handle.write(f"The box number {number} was opened.,{'ab'[i % 3 == 0]}\n")


def peak(rows: int, options: dict, folder: Path) -> float:
    """Return the peak resident memory of writing data/raw in MiB."""
    source, target = folder / f"{rows}.csv", folder / f"{rows}-{len(options)}"
    write_rows(source, rows)
    command = [sys.executable, "-c", WRITING, str(source), str(target), json.dumps(options)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(rows: list[int]) -> None:
    for name, options in (("plain", {}), ("filter, fold and subset", OPTIONS)):
        for count in rows:
            with tempfile.TemporaryDirectory() as folder:
                peak_mib = peak(count, options, Path(folder))
            print(f"download, {name}, {count:,} rows: {peak_mib:,.0f} MiB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    main(**vars(parser.parse_args()))
