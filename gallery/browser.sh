#!/bin/sh
# Makes browser.png: the page by which a model trained for ten minutes on ./pomological, the watercolours of fruit that
# fruit.sh tells of, draws in a browser.
artgan train ./pomological --minutes 10
artgan export 0 -f html -o fruit.html --title "Fruit"
python - <<'EOF'
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=shutil.which("chromium") or shutil.which("chromium-headless-shell"))
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.goto(Path("fruit.html").absolute().as_uri())
    page.wait_for_timeout(5000)  # the first picture is drawn
    page.screenshot(path="browser.png")
EOF
