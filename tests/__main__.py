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
    "pytest": [sys.executable, "-m", "pytest"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        print(f"--- {name}", flush=True)
        # As the program does it: PyTorch's threads soon sleep while they wait, or tests crawl on a busy machine.
        environment = {"GOMP_SPINCOUNT": "100000", **os.environ}
        if subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
