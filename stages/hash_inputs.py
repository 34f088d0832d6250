"""A local file or folder → the sha256 of each of its files.

DVC watches the path, so an edit re-runs the download that reads it; a Hub source has no such stage.
`python -m stages.hash_inputs data/sample/train.csv data/files/dataset/train.json`
"""

import sys
from pathlib import Path

from temper.core import artifacts, errors


def hash_files(source: Path) -> dict[str, str]:
    """Return the sha256 of each file by its path relative to `source` (a file: by its name)."""
    if source.is_dir():
        return artifacts.sha256_tree(source)
    return {source.name: artifacts.sha256_file(source)}


def main(source: Path, manifest: Path) -> None:
    manifest.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_json(manifest, hash_files(source))


if __name__ == "__main__":
    with errors.exit_on_input_error():
        main(*map(Path, sys.argv[1:]))
