"""Where Chromium is on this machine; `python -m tests.browser.chromium` installs Debian's where there is none.

Playwright's own browsers are not used: they are a download of their own beside the package index.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-headless-shell", "chromium-browser", "chrome")
PLACES = (  # where the installers of macOS and Windows put it; Edge is a Chromium, too
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "${PROGRAMFILES}/Google/Chrome/Application/chrome.exe",
    "${LOCALAPPDATA}/Google/Chrome/Application/chrome.exe",
    "${PROGRAMFILES(X86)}/Microsoft/Edge/Application/msedge.exe",
)
PACKAGES = ("chromium-headless-shell", "chromium")  # the smaller one first; older Debians have only the other
MISSING = "No Chromium is here: install Chromium or Chrome (on Debian: apt-get install chromium), then run this again."


def find_chromium() -> str | None:
    """The program of an installed Chromium, Chrome or Edge."""
    places = [os.path.expandvars(Path(place).expanduser()) for place in PLACES]
    return next(filter(None, map(shutil.which, (*NAMES, *places))), None)


def call(command: list[str]) -> bool:
    """Run a program; whether it ended well."""
    try:
        return subprocess.run(command, check=False).returncode == 0
    except OSError:  # there is no such program
        return False


def provide(find: Callable[[], str | None], run: Callable[[list[str]], bool], root: bool) -> str:
    """The Chromium that `find` knows, installed with apt-get first when it knows none.

    Raises:
        SystemExit: there is none and none could be installed; one sentence says what to do.
    """
    if found := find():
        return found
    apt = ["apt-get"] if root else ["sudo", "-n", "apt-get"]
    if run([*apt, "update"]):
        any(run([*apt, "install", "-y", "--no-install-recommends", package]) for package in PACKAGES)
    if found := find():
        return found
    raise SystemExit(MISSING)


def is_root() -> bool:
    """Whether this process may do everything; Chromium refuses its sandbox then."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


if __name__ == "__main__":
    sys.stdout.write(f"{provide(find_chromium, call, is_root())}\n")
