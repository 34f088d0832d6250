"""data/raw and a teacher → its logits of the training rows, augmented ones too, in Arrow.

`python -m stages.teach data/raw data/files/code data/files/tokenize data/translators data/teachers
data/teacher_logits`; the running DVC stage names the teacher. Each row is scored once, whatever the
number of epochs, trainings and students.
"""

import sys
from pathlib import Path

from temper import augmentation, params
from temper.core import arrow, artifacts, determinism, errors, names, startup
from temper.core.unedited import unedited
from temper.models import light_imports


def teach(
    raw_folder: Path, folder: Path, translators: Path, target: Path, parameters: params.Params
) -> int:
    """Write a teacher's logits and summary.json to `target`; return the number of rows."""
    from datasets import Features, List, Value

    from temper.ingest import teachers
    from temper.teacher import Teacher

    train, key = arrow.load(raw_folder)["train"], f"train.teachers.{folder.name}"
    labels = artifacts.read_json(raw_folder / "summary.json")["labels"]
    order = teachers.order_of_labels(folder, key, labels)
    augment = augmentation.build_augmentation(
        parameters.tokenize, tuple(parameters.task.inputs), translators
    )
    teacher = Teacher(folder, key, parameters, order)
    scored = teacher.logits(augmentation.raw_batches(train, augment))
    batches = ({"logits": [values.ravel() for values in rows]} for rows in scored)
    features = Features({"logits": List(Value("float32"))})  # of a row's words one after the other
    num_rows = arrow.write_split(target, "train", features, batches)
    arrow.write_index(target, ["train"])
    weights = sorted(folder.glob("*.safetensors"))
    origin = artifacts.read_json(folder / teachers.ORIGIN_FILE)
    digests = {"sha256": {file.name: artifacts.sha256_file(file) for file in weights}}
    artifacts.write_json(target / "summary.json", origin | digests | {"labels": labels})
    return num_rows


def main(
    raw_folder: Path, code: Path, synonym_files: Path, translators: Path, models: Path, target: Path
) -> None:
    parameters, name = params.load(), names.running_item()
    artifacts.remove_stale_manifests(code, parameters.code)
    artifacts.remove_stale_manifests(synonym_files, parameters.tokenize.synonym_files)
    determinism.configure(parameters.determinism, 0)
    with artifacts.atomic_dir(target / name) as folder:
        num_rows = teach(raw_folder, models / name, translators, folder, parameters)
    print(f"{name}: {num_rows:,} {parameters.task.examples_name} scored")


if __name__ == "__main__":
    startup.collect_rarely()
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism)
        light_imports.list_models_once()
        with unedited():
            main(*map(Path, sys.argv[1:]))
