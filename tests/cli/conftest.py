import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def _signals_arrive():
    """Undo what a shell does to programs in the background: ignore interrupts.

    The programs that the tests start would inherit it, and keep to it.
    """
    ignored = {}
    defaults = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    for name, handler in defaults.items():
        number = getattr(signal, name, None)  # SIGHUP is not everywhere
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            ignored[number] = signal.signal(number, handler)
    yield
    for number, handler in ignored.items():
        signal.signal(number, handler)
