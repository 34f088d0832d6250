"""Upload a journal's records while the stage writes them, in a thread that never raises."""

import pickle
import threading
from collections.abc import Callable
from typing import Any

from temper.tracking import addresses, journal, sender, store
from temper.tracking.journal import Journal

PATIENCE_S = 20.0  # how long the end of a stage waits for the server
RETRY_S = (1.0, 15.0)  # between two attempts: at first, and at most


class Uploader(threading.Thread):
    """Uploads records as the stage writes them; at its end gives up without an error."""

    def __init__(self, own_journal: Journal, warn: Callable[[str], None]):
        super().__init__(daemon=True)
        self.ended, self.journal, self.warn = threading.Event(), own_journal, warn
        self.uri = store.tracking_uri()
        self.sender = sender.start(own_journal, self.uri, store.recorded_uri())

    def run(self) -> None:
        pause = RETRY_S[0]
        while True:
            is_last = self.ended.is_set()
            problem = self.sender.send()
            if problem is not None:
                self.warn(f"{problem}; {self._when_sent()}")
                pause = min(2 * pause, RETRY_S[1])
            else:
                pause = RETRY_S[0]
                if is_last:
                    self.journal.remove()
            if is_last:
                self.journal.close()
                return
            self.ended.wait(pause)

    def call(self, function: Callable[..., None], *arguments: Any) -> str | None:
        """Call a function that uses MLflow where the records are sent; return its error's text."""
        return self.sender.call(pickle.dumps((function, *arguments)))

    def finish(self) -> None:
        """Wait up to `PATIENCE_S` for the rest to be sent."""
        self.ended.set()
        self.join(PATIENCE_S)
        if self.is_alive():
            name = addresses.mask(self.uri)
            slow = f"{name} is slow: not everything was sent within {PATIENCE_S:.0f} s"
            self.warn(f"{slow}; {self._when_sent()}")
        self.sender.close()

    def _when_sent(self) -> str:
        return (
            f"the stage continues, its record is kept in {journal.folder()} and sent by the next "
            "stage that reaches the server, or by `temper sync`"
        )
