"""A teacher of the sample's task, and the stages that ask it."""

import shutil
from pathlib import Path

import pytest

from stages import download, hash_inputs, teach

TAUGHT = {  # changes of a training
    "model__files": {"sample": "data/sample/model", "big": "big"},
    "train__teachers": {"big": {"name": "big"}},
    "train__distillation": {"weight": 0.5, "temperature": 2.0},
    "train__epochs": 1.0,
}


def write_teacher(folder, labels=("not_equivalent", "equivalent"), auto_class="Sequence", **config):
    """Write a tiny BERT with random weights and the sample's tokenizer; return the model."""
    import torch
    import transformers

    shutil.copytree("data/sample/model", folder)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    size["initializer_range"] = 0.5  # so that rows differ
    loaded = transformers.AutoConfig.from_pretrained(str(folder), **(size | config))
    loaded.id2label = dict(enumerate(labels))
    loaded.label2id = {name: i for i, name in enumerate(labels)}
    torch.manual_seed(1)
    model = getattr(transformers, f"AutoModelFor{auto_class}Classification").from_config(loaded)
    model.save_pretrained(str(folder))
    return model.eval()


def ask(parameters):
    """Run the stages `teachers` and `teach` for each teacher of the parameters."""
    for name in parameters.train.teachers:
        for file, source in parameters.model.files.items():
            hash_inputs.main(Path(source), Path(f"data/files/model/{file}.json"))
        download.main("teacher", Path("data/files/model"), Path("data/teachers") / name)
        read = ("raw", "files/code", "files/tokenize", "translators", "teachers", "teacher_logits")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DVC_STAGE", f"teach@{name}")
            teach.main(*(Path("data") / folder for folder in read))
