"""The Python code of a model card: how a reader loads the model and calls it."""


def pipeline_snippet(pipeline_tag: str, arguments: str) -> str:
    """Return code that loads a model by `pipeline()` and calls it with `arguments`."""
    return (
        "from transformers import pipeline\n\n"
        f'model = pipeline("{pipeline_tag}", model="path/to/this/folder")\n'
        f"model({arguments})"
    )


def auto_model_snippet(auto_model: str, *lines: str) -> str:
    """Return code that loads a model by its AutoModelFor… class, then runs `lines`."""
    return "\n".join(
        [
            f"from transformers import {auto_model}, AutoTokenizer",
            "",
            'folder = "path/to/this/folder"',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            f"model = {auto_model}.from_pretrained(folder)",
            *lines,
        ]
    )
