"""Clips that cannot be read, and names of clips that may not be."""

import numpy as np

from temper.tasks.base import audio
from tests.promises.bad_input import BadInput

TONE = audio.encode(np.sin(np.arange(2000) / 5), 4000)
OTHER = audio.encode(np.sin(np.arange(2000) / 3), 4000)


def clips(name: str, files: dict[str, bytes | str], *says: str, **changes: object) -> BadInput:
    """Return a case of files in a folder, by default of clips in folders that are their labels."""
    return BadInput(
        name=name,
        recipe="sample-audio_classification",
        files={f"own/{file}": content for file, content in files.items()},
        changes={
            "data.files": {"train": "own"},
            "data.glob": "*/*",
            "data.split": {"validation": 0.0, "test": 0.0, "seed": 1},
            "evaluate.positive_label": "b",
            "train.metric_for_best_model": "loss",
        }
        | {key.replace("__", "."): value for key, value in changes.items()},
        says=says,
    )


TABLE = {"wav/1.wav": TONE, "wav/2.wav": OTHER, "t.csv": "audio,label\nwav/1.wav,a\nwav/2.wav,b\n"}
CASES = [
    clips(
        "clips_all_alike",
        {"a/1.wav": TONE, "b/2.wav": TONE},
        "own: train: all 2 clips have the same samples",
    ),
    clips(
        "clip_cut_off",
        {"a/1.wav": TONE, "b/2.wav": OTHER[:1000]},
        "own: train row 2, column 'audio' (own/b/2.wav): ",
        "cut short: 1,000 of 4,044 bytes",
    ),
    clips("mp3", {"a/1.mp3": b"ID3", "b/2.wav": TONE}, "'.mp3'", ".wav"),
    clips(
        "table_of_clips_alone",
        TABLE,
        "train row 1, column 'audio'",
        "names a file, which DVC would not watch: set data.files to the folder",
        data__files={"train": "own/t.csv"},
        data__glob="*",
    ),
    clips(
        "clip_outside",
        TABLE | {"t.csv": "audio,label\n../params.yaml.wav,a\nwav/2.wav,b\n"},
        "train row 1, column 'audio'",
        "outside of own, which DVC watches",
        data__glob="*.csv",
    ),
    clips(
        "clip_missing",
        TABLE | {"t.csv": "audio,label\nwav/1.wav,a\nwav/3.wav,b\n"},
        "train row 2, column 'audio'",
        "own/wav/3.wav: No such file",
        data__glob="*.csv",
    ),
    clips(
        "layerdrop",
        {"a/1.wav": TONE, "b/2.wav": OTHER},
        "model.config: layerdrop is always off",
        model__config={"layerdrop": 0.1},
    ),
    clips(
        "clips_without_seconds",
        {"a/1.wav": TONE, "b/2.wav": OTHER},
        "tokenize.max_seconds: null; audio_classification needs it here",
        tokenize__max_seconds=None,
    ),
    clips(
        "zero_shot_clips",
        {"a/1.wav": TONE, "b/2.wav": OTHER},
        "evaluate.zero_shot: must be {} for audio_classification",
        evaluate__zero_shot={"clap": {"name": "sample", "template": "a sound of {}"}},
    ),
    clips(
        "padding_of_group_norm",
        {"a/1.wav": TONE, "b/2.wav": OTHER},
        "tokenize.padding: dynamic would make predictions depend on the batch",
        "feat_extract_norm: group",
        model__config={"feat_extract_norm": "group"},
    ),
]
