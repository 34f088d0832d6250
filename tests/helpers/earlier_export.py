"""What an export of version 0.1 holds under `temper` in its config.json: keys had other names."""

OF_AN_EARLIER_VERSION = {
    "task": {
        "name": "sequence_classification",
        "problem_type": "single_label_classification",
        "text": ["sentence1", "sentence2"],
        "label": "label",
        "labels": ["not_equivalent", "equivalent"],
        "label_separator": None,
    },
    "tokenize": {
        "max_length": 64,
        "long": "truncate",
        "padding": "dynamic",
        "pad_to_multiple_of": 8,
        "files": {},
        "translators": {},
    },
    "evaluate": {
        "batch_size": 128,
        "positive_label": "equivalent",
        "threshold": 0.5,
        "zero_shot": {},
        "bootstrap_samples": 1000,
        "slices": [],
        "num_worst": 50,
    },
    "code": {},
}
