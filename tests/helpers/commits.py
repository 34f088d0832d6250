"""Commits that hold what a test needs."""

from tests.helpers.repository import run


def experiment(folder, name, *settings):
    run(folder, " ".join(["dvc exp run -q -n", name, *(f"-S {s}" for s in settings)]))
    run(folder, "git checkout -q params.yaml dvc.lock")


class Files:
    """A commit whose params.yaml has some text, and that holds no other file."""

    def __init__(self, text):
        self.text = text

    def read_text(self, path, encoding):
        if path != "params.yaml":
            raise FileNotFoundError(path)
        return self.text

    def read_bytes(self, path):
        return self.read_text(path, "utf-8").encode()


class Written(Files):
    """A commit all of whose files hold one text."""

    def read_text(self, path, encoding):
        return self.text
