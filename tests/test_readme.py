"""The README is run: its Python as one script, its names against the public ones, its commands against the program."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    parts = [plain(b) for b in blocks(readme(), "python", "pycon")]
    assert parts, "the README shows no Python"
    done = run_script("\n".join(parts), tmp_path)
    assert done.returncode == 0, done.stderr


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


@pytest.mark.parametrize("code", ["import symgrad as sg\nsg.derivate(1)", "from symgrad import derivate"])
def test_a_planted_unknown_name_is_caught(code: str) -> None:
    assert unknown_names(code) == ["derivate"]


def test_blocks_and_prompts_are_read() -> None:
    text = "a\n```python\nx = 1\n```\n```bash\nls\n```\n```pycon\n>>> y = 2\n>>> y\n2\n```\n"
    assert [plain(b) for b in blocks(text, "python", "pycon")] == ["x = 1\n", "y = 2\ny"]
    assert blocks(text, "bash") == ["ls\n"]
