"""The run above a sweep's runs."""

from urllib.parse import parse_qs

from temper.sweep import sweep_run


def test_address_of_the_trials_has_no_password():
    """It leads to the sweep's trials, the least first where less is better."""
    address = sweep_run.page_url(
        "https://me:secret@host:8/", "7", "s", "loss", greater_is_better=False
    )
    page, _, query = address.partition("?")
    assert page == "https://host:8/#/experiments/7/runs"
    options = {name: values[0] for name, values in parse_qs(query).items()}
    assert options["searchFilter"] == "tags.sweep = 's'"
    assert options["orderByKey"] == "metrics.`validation/loss`"
    assert options["orderByAsc"] == "true"
