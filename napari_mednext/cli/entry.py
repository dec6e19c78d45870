"""Runs a command, shows its outcome, and turns every error into one line."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from napari_mednext.cli.outcome import STATUS, ExitCode, Outcome
from napari_mednext.errors import Cancelled, MednextError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["run"]

_PROGRAM = "napari-mednext"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program name; those of this process when left out.

    Returns
    -------
    int
        See :class:`ExitCode`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    is_json = "--json" in options
    is_verbose = "-v" in options or "--verbose" in options
    if is_verbose:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    with _own_stdout(only_ours=is_json) as stdout:
        outcome = _outcome(given, is_verbose=is_verbose)
        if outcome is None:  # help was shown
            return ExitCode.DONE
        if is_json:
            _write(stdout, json.dumps(_document(given, outcome), indent=2) + "\n")
        elif outcome.text:
            _write(stdout, outcome.text.rstrip("\n") + "\n")
        if outcome.error:
            sys.stderr.write(f"{_PROGRAM}: {_one_line(outcome.error)}\n")
    return int(outcome.code)


def _outcome(arguments: list[str], *, is_verbose: bool) -> Outcome | None:
    """Run the command; every way it can end becomes an outcome."""
    import typer

    from napari_mednext.cli.application import application

    command = typer.main.get_command(application)
    try:
        with command.make_context(_PROGRAM, list(arguments)) as context:
            outcome: Outcome | None = command.invoke(context)
            return outcome
    except typer.Exit as error:
        return None if error.exit_code == 0 else Outcome(ExitCode.REFUSED)
    except BrokenPipeError:  # the reader of the help went away
        return None
    except (KeyboardInterrupt, Cancelled):
        return Outcome(ExitCode.INTERRUPTED, error="interrupted")
    except MednextError as error:
        if is_verbose:
            traceback.print_exc()
        return Outcome(ExitCode.REFUSED, error=str(error))
    except Exception as error:  # noqa: BLE001 - the boundary of the program
        # Usage errors have a message for people; typer has changed the home of their
        # class, so they are known by that.
        say = getattr(error, "format_message", None)
        if say is not None:
            advice = " (see --help)"
            return Outcome(ExitCode.REFUSED, error=str(say()).rstrip(".") + advice)
        if is_verbose:
            traceback.print_exc()
        advice = "" if is_verbose else ", run again with -v to see where"
        kind = type(error).__name__
        return Outcome(ExitCode.REFUSED, error=f"unexpected {kind}: {error}{advice}")


def _document(arguments: list[str], outcome: Outcome) -> dict[str, Any]:
    """Return the JSON document: the head that all have, then the command's own."""
    from napari_mednext import __version__

    words = [word for word in arguments if not word.startswith("-")]
    command = " ".join(words[:2] if words[:1] == ["models"] else words[:1])
    return {
        "program": _PROGRAM,
        "version": __version__,
        "command": command,
        "status": STATUS[outcome.code],
        "exit_code": int(outcome.code),
        "error": outcome.error or None,
        **outcome.document,
    }


def _one_line(sentence: str) -> str:
    """Return the sentence without line breaks."""
    return " ".join(sentence.split())


@contextlib.contextmanager
def _own_stdout(*, only_ours: bool) -> Iterator[int]:
    """Give the descriptor of stdout; with ``only_ours`` nothing else can write there.

    What libraries and programs print meanwhile goes to stderr.
    """
    if not only_ours:
        yield 1
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield kept
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _write(descriptor: int, text: str) -> None:
    """Write text whole; a reader that went away early is no failure."""
    if descriptor == 1:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(text)
            sys.stdout.flush()
        return
    data = memoryview(text.encode())
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(descriptor, data) :]
