"""The run above a sweep's runs."""

from urllib.parse import parse_qs

from temper.sweep import sweep_run


def test_the_page_of_a_sweep_on_a_server_holds_no_password():
    """It leads to the sweep's trials, the least first where less is better."""
    address = sweep_run.page("https://me:secret@host:8/", "7", "s", "loss", greater=False)
    page, _, query = address.partition("?")
    assert page == "https://host:8/#/experiments/7/runs"
    options = {name: values[0] for name, values in parse_qs(query).items()}
    assert options["searchFilter"] == "tags.sweep = 's'"
    assert options["orderByKey"] == "metrics.`validation/loss`"
    assert options["orderByAsc"] == "true"
