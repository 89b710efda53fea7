"""Writing a file whole or not at all: whatever goes wrong on the way, the file that stood there stays as it was."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from symgrad.errors import InputError


def write(path: str | Path, content: str | bytes) -> Path:
    """Write text (as UTF-8) or bytes to a file at once, and return the path.

    A temporary file beside it is written, flushed to the disk and put in its place; the permissions of an existing
    file are kept, and a link stays a link to the file that is replaced. A device or a pipe is written to as it is.
    Raises: InputError where the file cannot be written; it is then what it was before.
    """
    path = Path(path)
    try:
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise InputError(f"{path} cannot be written: it is a link that leads back to itself. Give another path")
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            target.write_bytes(data)
        elif mode is not None and (stat.S_ISDIR(mode) or not os.access(target, os.W_OK)):
            raise InputError(f"{path} cannot be written: it is {'a folder' if stat.S_ISDIR(mode) else 'read-only'}. "
                             f"Give another path")
        else:
            _replace(target, data, mode)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}. Give a path in a folder that exists "
                         f"and may be written to") from None
    except ValueError as error:  # a path with a null character, a text with half a character
        raise InputError(f"{path} cannot be written: {error}") from None
    return path


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    draft = target.parent / f".symgrad-{secrets.token_hex(8)}.tmp"
    # not opened by `open`, which would follow whatever stood there; 0o666 leaves the permissions to the umask
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            draft.chmod(stat.S_IMODE(mode))
        draft.replace(target)
    except BaseException:  # an interrupt too leaves nothing behind
        draft.unlink(missing_ok=True)
        raise
