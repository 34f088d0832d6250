"""No form of password or token in a store's address is written."""

import json

import pytest

from temper.core.errors import InputError
from temper.sweep import storage, sweep_run
from temper.tracking import addresses, store

URIS = {  # address → as it is shown
    "http://me:secret@host:5000": "http://***@host:5000",
    "http://me:se@cret@host": "http://***@host",
    "https://me:se/cret@host/x": "https://***@host/x",
    "http://me:se?cret@host": "http://***@host",
    "http://me:se#cret@host": "http://***@host",
    "http://secret@host": "http://***@host",
    "http://secret:@host": "http://***@host",
    "http://me:s%65cret@host": "http://***@host",
    "http://host/x?password=secret": "http://host/x?***",
    "http://host?token=secret&a=b": "http://host?***",
    "http://host?secret": "http://host?***",
    "http://host#secret": "http://host?***",
    "http://host?token=se@cret": "http://***@cret",
    "postgresql+psycopg2://me:secret@host/db": "postgresql+psycopg2://me:***@host/db",
    "postgresql://me:se@cret@host/db": "postgresql://me:***@host/db",
    "postgresql://me:se/cret@host/db": "postgresql://me:***@host/db",
    "postgresql:///db?password=secret": "postgresql:///db?***",
    "sqlite+pysqlcipher://:secret@/a.db": "sqlite+pysqlcipher://***@/a.db",
}
PUBLIC = (
    "http://host:5000/x",
    "postgresql://me@host/db",
    "sqlite:///mlflow.db",
    "sqlite:////a/b@c:d.db",
    "file:///a@b/c?d",
    "databricks",
    "mlruns",
    "",
)


@pytest.mark.parametrize("uri", URIS)
def test_secrets_are_masked(uri):
    """Those with characters that a URI ought to have escaped, too."""
    assert addresses.mask(uri) == URIS[uri]


@pytest.mark.parametrize("uri", PUBLIC)
def test_other_addresses_stay_as_they_are(uri):
    """A file's path may hold any character, and a database's user is no secret."""
    assert addresses.mask(uri) == uri


MESSAGES = [  # address, a library's message about it, what is shown
    ("http://me:secret@host", "not http://me:secret@host", "not http://***@host"),
    ("http://me:se/cret@host", "port is no integer: 'se'", "port is no integer: '***'"),
    ("postgresql://me:se@cret@host/db", "no host name 'cret@host'", "no host name '***@host'"),
    ("http://host?token=secret", "at /x?token=secret (too slow)", "at /x?token=*** (too slow)"),
    ("postgresql://me:s%65cret@host", "user me, password secret", "user me, password ***"),
    ("http://secret@host", "not http://secret@host/api", "not http://***@host/api"),
    ("http://host", "not http://host/api", "not http://host/api"),
]


@pytest.mark.parametrize(("uri", "text", "shown"), MESSAGES)
def test_a_library_s_message_is_cleared_of_them(uri, text, shown):
    """Whether it quotes the address, or what it took for host, port or query."""
    message = store.error_message(ValueError(text), uri)
    assert message == f"{addresses.mask(uri)} refused the request: {shown}"


def test_nothing_that_is_written_holds_one(monkeypatch):
    """Journals, the sweep's run and its page, and the error of a sweep's storage."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:se@cr/et@host/x?token=secret")
    page = sweep_run.page_url("1", "s", "f1", greater_is_better=True)
    with pytest.raises(InputError) as raised:
        storage.open_storage("nosuch://me:se@cr/et@host/db?password=secret")
    written = [store.recorded_uri(), sweep_run.store_uri(), page, str(raised.value)]
    for word in ("se@", "cr/et", "secret", "token"):
        assert word not in json.dumps(written)
    assert page.startswith("http://host/x/#/experiments/1/")
    assert "storage nosuch://me:***@host/db?***: " in written[-1]


def test_addresses_in_a_text_are_masked():
    """The copy of sweep.yaml in the sweep's run."""
    text = 'storage: "postgresql://me:secret@host/db"  # or http://host?token=secret\nseeds: [1]\n'
    assert "secret" not in addresses.mask_all(text)
    assert addresses.mask_all(text).endswith("\nseeds: [1]\n")
