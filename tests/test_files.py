"""Files are written whole or not at all: a failed write leaves what stood there, and no other file beside it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import symgrad as sg
from symgrad import files
from symgrad.cli import main
from symgrad.errors import InputError

OLD = b"what stood there before\n"
TEXT = "x: (n,); A: (n, n); x @ A @ x"


def every_writer() -> dict[str, Callable[[Path], object]]:
    """Return every way in which symgrad writes a file a user named, by the ending it takes."""
    d = sg.derive(TEXT, "x")
    made: dict[str, Callable[[Path], object]] = {
        f"{kind}{end}": what.save for end in (".tex", ".html", ".md", ".json", ".txt")
        for kind, what in (("d", d), ("hessian", sg.hessian(TEXT, "x")), ("hvp", sg.hvp(TEXT, "x")))
    }
    made["kernel.py"] = d.compile().save
    for command in ("derive", "hessian", "compile"):
        end = ".py" if command == "compile" else ".md"
        made[f"cli_{command}{end}"] = lambda path, command=command: main([command, TEXT, "-w", "x", "-o", str(path)])
    return made


WRITERS = every_writer()
WAYS = ("full at once", "full on the way", "not flushed", "not replaced", "interrupted")


def broken(way: str, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    """Let the disk fail at one place of a write; return what is then raised."""
    failure: BaseException = KeyboardInterrupt() if way == "interrupted" else OSError(errno.ENOSPC, "No space left")

    def fails(*_: object, **__: object) -> None:
        raise failure

    if way == "full at once":
        monkeypatch.setattr(os, "open", fails)
    elif way == "full on the way":
        def half(number: int, mode: str) -> object:  # the signature of os.fdopen
            os.write(number, b"half of it")
            raise failure
        monkeypatch.setattr(os, "fdopen", half)
    else:
        monkeypatch.setattr(*((Path, "replace") if way == "not replaced" else (os, "fsync")), fails)
    return KeyboardInterrupt if way == "interrupted" else InputError


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_failed_write_leaves_the_old_file(name: str, way: str, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes(OLD)
    with monkeypatch.context() as patch:
        kind = broken(way, patch)
        if name.startswith("cli"):
            assert WRITERS[name](path) == (130 if kind is KeyboardInterrupt else 2)
        else:
            with pytest.raises(kind):
                WRITERS[name](path)
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]
    WRITERS[name](path)
    assert path.read_bytes() != OLD
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_really_full_leaves_the_old_file(tmp_path: Path) -> None:
    """The kernel of the system refuses bytes beyond a limit, as it does on a full disk."""
    path = tmp_path / "d.html"
    path.write_bytes(OLD)
    code = (f"import resource, symgrad as sg\nd = sg.derive({TEXT!r}, 'x')\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\nd.save({str(path)!r})")
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "InputError" in done.stderr
    assert "cannot be written" in done.stderr
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_permissions_are_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "d.md"
    path.write_bytes(OLD)
    path.chmod(mode)
    files.write(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    fresh, plain = files.write(tmp_path / "fresh.md", "new"), tmp_path / "plain.md"
    plain.write_text("new")
    assert fresh.stat().st_mode == plain.stat().st_mode  # as the umask says


def test_links_are_followed_and_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link, dangling = tmp_path / "there" / "d.md", tmp_path / "link.md", tmp_path / "dangling.md"
    real.write_bytes(OLD)
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "there" / "new.md")
    files.write(link, "new")
    files.write(dangling, "new")
    assert link.is_symlink()
    assert real.read_text() == (tmp_path / "there" / "new.md").read_text() == "new"
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == ["d.md", "new.md"]


def test_a_device_is_written_to_as_it_is() -> None:
    files.write(os.devnull, "nothing")
    assert Path(os.devnull).is_char_device()


def test_places_that_cannot_be_written_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    for path in (tmp_path / "no" / "d.md", tmp_path / "file" / "d.md", tmp_path, tmp_path / "loop.md",
                 tmp_path / "nul\0.md", tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match="cannot be written"):
            files.write(path, "new")
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs as root may write anything
    with pytest.raises(InputError, match="read-only"):
        files.write(tmp_path / "file", "new")
    with pytest.raises(InputError, match="surrogates"):
        files.write(tmp_path / "d.md", "\ud800")
    assert (tmp_path / "file").read_bytes() == OLD


def test_no_other_place_of_the_library_writes_files() -> None:
    """The one way to a user's file is `files.write`; the planted line shows that the search would notice."""
    def writes(source: str) -> list[str]:
        marks = (".write_text(", ".write_bytes(", "savez", "np.save(", "json.dump(", "tofile(", 'open("w"', 'open("wb"')
        return [m for m in marks if m in source]

    assert writes('path.write_text("x")') == [".write_text("]
    package = Path(sg.__file__).parent
    found = {p.relative_to(package).as_posix(): writes(p.read_text()) for p in package.rglob("*.py")}
    # a document for TeX goes into a private folder; hints of how to write a point name numpy.savez
    allowed = {"files.py", "render/tex_document.py", "check/point.py"}
    assert {name for name, marks in found.items() if marks} <= allowed
