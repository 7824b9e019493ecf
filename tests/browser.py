"""A real browser, driven headless: a page is opened together with a script, and what the script says is read back."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,900",
)  # fmt: skip
DRIVER = """
const said = [];
const say = (...words) => said.push(words.join(" "));
const pause = (time) => new Promise((done) => setTimeout(done, time));
const open = async (hash) => { location.hash = hash; await pause(200); };
addEventListener("error", (event) => say("ERROR", event.message));
addEventListener("unhandledrejection", (event) => say("ERROR", event.reason));
addEventListener("load", async () => {
  await pause(200);
  try { await (async () => { %s })(); } catch (error) { say("ERROR", error); }
  const result = document.createElement("pre");
  result.id = "said";
  result.textContent = said.join("\\n");
  document.body.replaceChildren(result);
});
"""


def installed() -> str | None:
    """The path of a browser that is installed here."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(
    installed() is None, reason=f"no browser is installed: none of {', '.join(BROWSERS)}"
)


def driven(page: str, script: str, folder: Path, *, library: str = "") -> list[str]:
    """What ``say(...)`` said in a script that ran in the page, and every error that the page raised; a line each."""
    file = folder / "driven.html"
    inside = DRIVER % script.replace("</", "<\\/")  # no text of a script may end it
    added = f"<script>{library}</script><script>{inside}</script></body>"
    file.write_text(added.join(page.rsplit("</body>", 1)), encoding="utf-8")
    done = subprocess.run(  # noqa: S603  # the browser that was found, and a file of ours
        [str(installed()), *QUIET, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000", "--dump-dom",
         file.as_uri()],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return html.unescape(found[1]).splitlines()
