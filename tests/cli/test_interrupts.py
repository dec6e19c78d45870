"""Signals inside this process."""

import os
import signal
import sys

import pytest

from napari_mednext.cli import interrupts
from napari_mednext.cli.interrupts import Interrupts, cancel_on_interrupt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_first_signal_interrupts_and_the_second_waits(number):
    before = signal.getsignal(number)
    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(number)  # the tidying up goes on
    assert signal.getsignal(number) == before


def test_impatient_signal_after_long_tidying_ends_the_process(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(interrupts, "_PATIENCE_S", -1.0)
    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert ended == [130]


def test_flag_is_set_once_then_the_next_signal_interrupts():
    with Interrupts(), cancel_on_interrupt() as cancel:
        signal.raise_signal(signal.SIGTERM)
        assert cancel.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
