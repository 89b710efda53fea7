"""A LaTeX document to PDF, with whatever TeX is installed, in a private directory and without shell escape."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from symgrad.errors import InputError, MissingTool

_SECONDS = 60


def tex_to_pdf(document: str) -> bytes:
    """Return the PDF of a LaTeX document.

    Raises: MissingTool where pdflatex is not installed, InputError where it fails.
    """
    tool = shutil.which("pdflatex")
    if tool is None:
        raise MissingTool(
            "pdflatex", "Writing a PDF", "apt-get install texlive-latex-recommended texlive-fonts-recommended"
        )
    # the document is ours, but its names are the user's: no shell, no reading outside, no writing outside
    env = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "openin_any": "p", "openout_any": "p"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "d.tex").write_text(document, encoding="utf-8")
        command = [tool, "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "d.tex"]
        try:
            done = subprocess.run(  # noqa: S603  # a fixed command, found on the PATH
                command, cwd=folder, env=env, capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(f"pdflatex did not finish within {_SECONDS} s") from None
        if done.returncode != 0:
            tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-12:]
            raise InputError("pdflatex failed:\n" + "\n".join(tail))
        return (Path(folder) / "d.pdf").read_bytes()
