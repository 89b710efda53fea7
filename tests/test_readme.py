"""The README is run: its Python as one script, what it shows against what that prints, its names and its commands.

What a block of Python prints is shown, in part, in the blocks of text and mathematics that follow it. Numbers may
differ in their last digits from machine to machine, and times altogether; all else is compared sign by sign.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sympy as sp

import symgrad

ROOT = Path(__file__).parent.parent
TEST_COMMAND = "python -m pip install '.[test]' && python -m pytest"


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> list[str]:
    """Return the fenced blocks of the given languages."""
    found = re.findall(r"^```([\w-]*)[^\n]*\n(.*?)^```\s*$", text, flags=re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def plain(block: str) -> str:
    """Return the code of a block; a console block keeps what stands behind its prompts."""
    if ">>>" not in block:
        return block
    return "\n".join(line[4:] for line in block.splitlines() if line.startswith((">>> ", "... ")))


def unknown_names(code: str) -> list[str]:
    """Return the names taken from `sg` or `symgrad` that are not public."""
    used = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("sg", "symgrad"):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module == "symgrad":
            used |= {alias.name for alias in node.names}
    return sorted(used - set(symgrad.__all__))


def run_script(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "readme.py"
    script.write_text(code, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=folder, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "COLUMNS": "120"}, timeout=100,
    )  # fmt: skip


END = "--- the end of a block ---"
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w.])")
CLOSE = 1e-9  # what another processor's exp, or another order of a sum, may change


def examples(text: str) -> list[tuple[str, list[str]]]:
    """Return each block of Python with the blocks of output that follow it."""
    out: list[tuple[str, list[str]]] = []
    for language, body in re.findall(r"^```([\w-]*)[^\n]*\n(.*?)^```\s*$", text, flags=re.MULTILINE | re.DOTALL):
        if language in ("python", "pycon"):
            out.append((plain(body), []))
        elif language in ("text", "math"):
            assert out, f"what is shown comes after the Python that prints it: {body[:60]}"
            out[-1][1].append(body)
    return out


def essence(text: str) -> list[str]:
    """Return the lines that are compared: no times, no empty lines, no rules of tables, no lines of another SymPy."""
    lines = [" ".join(re.sub(r"[\u2500-\u257f]+", " ", line).split()) for line in text.splitlines()]
    other = not sp.__version__.startswith("1.14")
    return [s for s in lines if s and not s.startswith("time:") and not (other and s.startswith("SymPy "))]


def same(shown: str, printed: str) -> bool:
    """Compare two lines, numbers by value."""
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(abs(float(a) - float(b)) <= CLOSE * max(1.0, abs(float(a))) for a, b in pairs)


def is_shown(shown: str, printed: str) -> bool:
    """Say whether consecutive lines of what was printed are those that are shown."""
    wanted, found = essence(shown), essence(printed)
    starts = range(len(found) - len(wanted) + 1)
    return bool(wanted) and any(all(map(same, wanted, found[k:])) for k in starts)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of Python printed, all run as one script."""
    parts = [code for code, _ in examples(readme())]
    assert parts, "the README shows no Python"
    done = run_script("".join(f"{code}\nprint({END!r})\n" for code in parts), tmp_path_factory.mktemp("readme"))
    assert done.returncode == 0, done.stderr
    return done.stdout.split(END)


def test_what_the_readme_shows_is_what_its_python_prints(printed: list[str]) -> None:
    found = examples(readme())
    assert len(printed) == len(found) + 1
    assert sum(len(shown) for _, shown in found) >= len(found)
    for k, (_, shown) in enumerate(found):
        for block in shown:
            assert is_shown(block, printed[k]), f"the README shows\n{block}\nand its Python printed\n{printed[k]}"


def test_the_first_screen_is_what_it_should_be() -> None:
    first = readme().split("\n## ")[0]
    code, shown = examples(first)[0]
    assert len(code.splitlines()) == 8
    assert "python -m pip install . && symgrad demo" in first
    assert "p - y" in shown[0]
    numbers = dict(re.findall(r"\b(symbolic|tape) +(-?\d\.\d{6,})", shown[1]))
    assert numbers["symbolic"] == numbers["tape"]


def test_the_names_of_the_readme_are_public() -> None:
    code = "\n".join(plain(b) for b in blocks(readme(), "python", "pycon"))
    assert "sg." in code
    assert unknown_names(code) == []


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert TEST_COMMAND in "\n".join(blocks(readme(), "bash", "sh", "console"))
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_commands_of_the_readme_exist() -> None:
    text = "\n".join(blocks(readme(), "bash", "sh", "console"))
    commands = sorted(set(re.findall(r"^(?:\$ )?(?:.*&& )?symgrad ([a-z-]+)", text, flags=re.MULTILINE)))
    assert commands, "the README shows no command"
    show = [sys.executable, "-m", "symgrad", "--help"]
    done = subprocess.run(show, cwd=ROOT, capture_output=True, text=True, check=True)
    missing = [c for c in commands if not re.search(rf"\b{re.escape(c)}\b", done.stdout)]
    assert missing == []


def test_a_planted_failure_is_caught(tmp_path: Path) -> None:
    assert run_script("import symgrad\nassert 1 == 2", tmp_path).returncode != 0


@pytest.mark.parametrize(
    ("shown", "fits"),
    [
        ("a = 0.1234567\nb", True), ("a  =  0.1234567", True), ("a = 0.12345670000001", True),
        ("a = 0.1234568\nb", False), ("a = -0.1234567", False), ("a = 0.1234567 agree", False),
        ("b\na = 0.1234567", False), ("a_2", False), ("", False),
        ("time: 3 us\nb", True), ("tiny 1.0e-16", True), ("tiny 1.0e-6", False),
    ],
)  # fmt: skip
def test_what_is_shown_and_was_not_printed_is_caught(shown: str, fits: bool) -> None:
    assert is_shown(shown, "first\na = 0.1234567\ntime: 5 us\n\nb\na_1\ntiny 2.2e-16\n") is fits


@pytest.mark.parametrize("code", ["import symgrad as sg\nsg.derivate(1)", "from symgrad import derivate"])
def test_a_planted_unknown_name_is_caught(code: str) -> None:
    assert unknown_names(code) == ["derivate"]


def test_blocks_and_prompts_are_read() -> None:
    text = "a\n```python\nx = 1\n```\n```bash\nls\n```\n```pycon\n>>> y = 2\n>>> y\n2\n```\n"
    assert [plain(b) for b in blocks(text, "python", "pycon")] == ["x = 1\n", "y = 2\ny"]
    assert blocks(text, "bash") == ["ls\n"]
