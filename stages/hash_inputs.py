"""A local file or folder of params.yaml → the sha256 of each of its files.

DVC watches the path, so an edit re-runs the download that reads it; a Hub source has no such stage.
`DVC_STAGE=data_files@train python -m stages.hash_inputs data.files data/files/dataset`: DVC sets
the variable, so neither the path nor its name passes through a shell (docs/adr/0021).
"""

import sys
from pathlib import Path

from temper.core import artifacts, errors, names, pipeline, yaml_file

PARAMS_FILE = Path("params.yaml")


def hash_files(source: Path) -> dict[str, str]:
    """Return the sha256 of each file by its path relative to `source` (a file: by its name)."""
    if source.is_dir():
        return artifacts.sha256_tree(source)
    return {source.name: artifacts.sha256_file(source)}


def find_source(group: str, key: str) -> Path:
    """Return the path that a dotted group of params.yaml gives a name.

    Raises:
        InputError: params.yaml has no such path.
    """
    paths = pipeline.get(yaml_file.load(PARAMS_FILE), group)
    value = paths.get(key) if isinstance(paths, dict) else None
    if not isinstance(value, str):
        raise errors.InputError(f"{PARAMS_FILE}: {group}.{key} must be a path; found {value!r}")
    return Path(value)


def main(source: Path, manifest: Path) -> None:
    manifest.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_json(manifest, hash_files(source))


if __name__ == "__main__":
    with errors.exit_on_input_error():
        parameter, folder = sys.argv[1:]
        name = names.running_item()
        main(find_source(parameter, name), Path(folder) / f"{name}.json")
