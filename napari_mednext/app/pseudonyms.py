"""What stands for the names of cases and patients where a model may leave the study.

A model remembers what it has learned, so that nothing is learned or judged twice; but
its folder is given away, and names of patients must not go with it. Only who has the
study can tell which name a pseudonym stands for: its key is the study's seed, which
stands nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["Pseudonyms"]

_DIGITS = 32


class Pseudonyms:
    """The pseudonyms of one study.

    Parameters
    ----------
    seed : str
        Of the study.
    """

    def __init__(self, seed: str) -> None:
        self._key = seed.encode()

    @property
    def study(self) -> str:
        """What stands for the study itself."""
        return self._of("study", "")

    def case(self, name: str) -> str:
        """Return what stands for a case."""
        return self._of("case", name)

    def patient(self, name: str) -> str:
        """Return what stands for a patient."""
        return self._of("patient", name)

    def _of(self, kind: str, name: str) -> str:
        text = f"{kind}\0{name}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:_DIGITS]
