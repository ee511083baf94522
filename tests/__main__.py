"""`python -m tests`: every check of this repository, in one go; the exit code is 0 only when all are well."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent

CHECKS = {
    "ruff": [sys.executable, "-m", "ruff", "check", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "mypy": [sys.executable, "-m", "mypy"],
    "import-linter": [str(TOOLS / "lint-imports")],
    "browser": [sys.executable, "-m", "tests.browser.chromium"],  # installs one where it can
    # A process per core, each with one thread: four times as fast as one process whose threads wait for one another.
    "pytest": [sys.executable, "-m", "pytest", "-n", "logical", "--dist", "loadfile"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        print(f"--- {name}", flush=True)
        environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}
        if subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
