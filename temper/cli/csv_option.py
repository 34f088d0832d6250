"""The option --csv of a command → how CSV and TSV files are written: `data.csv` of params.yaml."""

from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from temper.core.errors import InputError
from temper.params.data import CsvParams

CsvOption = Annotated[
    str | None, typer.Option(help="How CSV and TSV are written: data.csv, as in {quoting: none}")
]


def parse_csv(text: str | None) -> CsvParams | None:
    """Read the option --csv, a group of keys in YAML.

    Raises:
        InputError: it is not like `data.csv` of params.yaml.
    """
    if text is None:
        return None
    try:
        return CsvParams.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        reasons = error.errors() if isinstance(error, ValidationError) else [{"msg": "not YAML"}]
        raise InputError(
            f"--csv {text}: {reasons[0]['msg']}; expected keys of data.csv, such as "
            "'{delimiter: \";\", quoting: double, encoding: cp1250}'"
        ) from None
