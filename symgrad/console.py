"""What every command needs of the terminal: reading texts and options, printing, saving, saying what went wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from symgrad.errors import InputError, SymgradError
from symgrad.files import write

SCHEMA_VERSION = 1
MOST_BYTES = 2**22  # of input; the language itself has a lower limit, and says so

_ATTACHED = re.compile(r"-o[\w./~-]+\.\w+")  # -onet.tex
_FILE = re.compile(r"[\w./~-]*\.(txt|json|md|net|py)")


# --- input ------------------------------------------------------------------------------------------------------------


def positional(argument: str) -> str:
    """Keep mathematics that begins with a minus from being an option: a space before it, which `text_of` takes away.

    >>> positional("-log(x)"), positional("--wrt"), positional("-onet.tex")
    (' -log(x)', '--wrt', '-onet.tex')
    """
    is_option = argument in ("-", "-o", "-w", "-f", "-h") or argument.startswith("--") or _ATTACHED.fullmatch(argument)
    return " " + argument if argument.startswith("-") and not is_option else argument


def text_of(what: str) -> str:
    """Return the text that an argument means: itself, the contents of a file, or standard input.

    Raises: InputError for a file that is not there or holds no text.
    """
    if what == "-":
        return _decoded(sys.stdin.buffer.read(MOST_BYTES + 1), "standard input")
    if what.startswith(" -"):
        return what[1:]
    if len(what) < 4096 and "\n" not in what and "\0" not in what:
        path = Path(what)
        try:
            there, folder = path.exists(), path.is_dir()
        except OSError:  # too long for a name
            there = folder = False
        if there and not folder:
            with path.open("rb") as file:
                return _decoded(file.read(MOST_BYTES + 1), what)
        if folder or _FILE.fullmatch(what):
            raise InputError(f"there is no file {what!r}; give one that exists, an expression, or - for standard input")
    return what


def _decoded(data: bytes, where: str) -> str:
    if len(data) > MOST_BYTES:
        raise InputError(f"{where} holds more than {MOST_BYTES} bytes, which is no network written by hand")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text ({error.reason} at byte {error.start})") from None


def listed(options: Sequence[str] | None, flag: str) -> list[str] | None:
    """Return the names of an option that may be given again and may hold commas; None where it was not given.

    >>> listed(["W1,b1", "W2"], "--wrt")
    ['W1', 'b1', 'W2']
    """
    found = [n.strip() for part in options or () for n in part.split(",") if n.strip()]
    if options and not found:
        raise InputError(f"{flag} is empty; give at least one name")
    return found or None


def pairs(options: Sequence[str] | None, flag: str, example: str) -> dict[str, str]:
    """Return the name=value of an option that may be given again.

    >>> pairs(["rate=eta"], "--names", "a=b")
    {'rate': 'eta'}
    """
    out = {}
    for option in options or ():
        name, sign, value = (s.strip() for s in option.partition("="))
        if not (name and sign and value):
            raise InputError(f"{flag} takes name=value, for example {example}; got {option!r:.80}")
        out[name] = value
    return out


def sizes_of(options: Sequence[str] | None) -> dict[str, int]:
    """Return sizes by name.

    >>> sizes_of(["n=5,h=3"])
    {'n': 5, 'h': 3}
    """
    try:
        return {k: int(v) for k, v in pairs(listed(options, "--sizes"), "--sizes", "n=5,h=3").items()}
    except ValueError:
        raise InputError(f"--sizes takes integers, for example n=5,h=3; got {', '.join(options or ()):.80}") from None


# --- output -----------------------------------------------------------------------------------------------------------


class PipedConsole(Console):
    """A console that reports a broken pipe as Python does, so that the commands can end quietly."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def show(shown: Any) -> None:
    """Print text as it is, or something rich: in colours where the terminal takes them."""
    if isinstance(shown, str):
        sys.stdout.write(shown.rstrip("\n") + "\n")
    else:
        PipedConsole().print(shown)


def show_json(data: Mapping[str, Any] | str) -> None:
    """Print one JSON object with its schema version."""
    show(data if isinstance(data, str) else json.dumps({"schema_version": SCHEMA_VERSION, **data}, allow_nan=False))


def is_plain() -> bool:
    """Say whether the output is to be plain text: no terminal, or one without colours."""
    return not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))


def columns() -> int:
    """Return the width to print at: that of the terminal, within reason."""
    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))


def save(path: Path, text: str | bytes) -> None:
    """Write a file and say so on standard error. Raises: InputError."""
    write(path, text)
    sys.stderr.write(f"wrote {printable(str(path))}\n")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a callback (what, done, total) that moves a bar on standard error, where that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield advance


def failed(error: SymgradError | str, code: int, args: Sequence[str]) -> int:
    """Say on standard error what went wrong, and with --json on standard output as well; return the exit code."""
    message = printable(str(error))
    sys.stderr.write(_wrapped(f"error: {message}") + "\n")
    if "--json" in args:
        kind = "error" if isinstance(error, str) else type(error).__name__
        show_json({"ok": False, "error": kind, "message": message, "exit_code": code})
    return code


def _wrapped(text: str) -> str:
    """Return the text with its long lines broken between words, where a terminal would break them inside."""
    if not sys.stderr.isatty():
        return text
    width = columns()
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
        if len(line) > width else line for line in text.splitlines()
    )


def printable(text: str) -> str:
    r"""Return the text without characters that a terminal would obey.

    >>> printable("a\x1b[31m")
    'a\\x1b[31m'
    """
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
