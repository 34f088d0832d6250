"""The run above a sweep's runs."""

from temper.sweep import sweep_run


def test_the_page_of_a_sweep_on_a_server_holds_no_password():
    """The least first, where less is better."""
    found = sweep_run.page("https://me:secret@host:8/", "7", "s", "loss", greater=False)
    assert found.startswith("https://host:8/#/experiments/7/runs?workflowType=machine_learning&")
    assert found.endswith("orderByKey=metrics.%60validation%2Floss%60&orderByAsc=true")
