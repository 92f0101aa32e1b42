"""The code of another revision, in a git worktree of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.support.program import ROOT, refuse


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """The code of another revision in a folder of its own."""
    with TemporaryDirectory(prefix="rollcast-tree-") as name:
        tree = Path(name) / "tree"
        words = ["git", "worktree", "add", "--detach", f"{tree}", revision]
        made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        if made.returncode:
            refuse(made.stderr.strip())
        try:
            yield tree
        finally:
            words = ["git", "worktree", "remove", "--force", f"{tree}"]
            subprocess.run(words, cwd=ROOT, check=True)
