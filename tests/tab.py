"""A tab of a real browser over a pipe: real keys, real time, other screens and paper; nothing listens."""

import fcntl
import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import QUIET, installed

KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "ArrowRight": (39, ""), "ArrowLeft": (37, "")}
"""Keys by name: their code, and the text that they make."""

ABOVE = 20
"""File descriptors below are left to the browser, which reads from 3 and writes to 4."""


PATIENCE = 120.0
"""Seconds without a word after which a browser is given up."""

LOADED = "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))"
"""Is known once the page is loaded."""


class Tab:
    """One page; see ``opened``."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write, self.number, self.session, self.rest = read, write, 0, "", b""

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command of the Chrome DevTools Protocol; raises RuntimeError for an error."""
        self.number += 1
        asked = {"id": self.number, "method": method, "params": params}
        asked |= {"sessionId": self.session} if self.session else {}
        os.write(self.write, json.dumps(asked).encode() + b"\0")
        while True:
            answer = json.loads(self.message())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def message(self) -> bytes:
        """The next message of the browser."""
        while b"\0" not in self.rest:
            there, _, _ = select.select([self.read], [], [], PATIENCE)
            more = os.read(self.read, 1 << 16) if there else b""
            if not more:
                raise RuntimeError("the browser has ended, or says nothing")
            self.rest += more
        found, _, self.rest = self.rest.partition(b"\0")
        return found

    def value(self, script: str) -> Any:
        """What an expression is, once it is known; raises RuntimeError if it raises."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def reload(self) -> None:
        """Load the page anew."""
        self.send("Page.reload")
        self.value(LOADED)

    def press(self, name: str) -> None:
        """Press a key and let it go."""
        code, text = KEYS[name]
        key = {"key": " " if name == "Space" else name, "code": name, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **key)
        self.send("Input.dispatchKeyEvent", type="keyUp", **key)


@contextmanager
def opened(page: Path, folder: Path, width: int = 1280, height: int = 900) -> Iterator[Tab]:
    """A tab that shows a file, once it is loaded."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    kept = [fcntl.fcntl(handle, fcntl.F_DUPFD, ABOVE) for handle in (theirs_in, theirs_out)]
    placed = f'exec "$0" "$@" 3<&{kept[0]} 4>&{kept[1]}'
    browser = subprocess.Popen(  # noqa: S603  # the browser that was found
        ["bash", "-c", placed, str(installed()), *QUIET, "--remote-debugging-pipe",  # noqa: S607
         f"--user-data-dir={folder / 'profile of a tab'}"],
        pass_fds=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for handle in (theirs_in, theirs_out, *kept):
        os.close(handle)
    tab = Tab(ours_in, ours_out)
    try:
        target = tab.send("Target.createTarget", url="about:blank")["targetId"]
        tab.session = tab.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        tab.send("Page.navigate", url=page.as_uri())
        tab.value(LOADED)
        yield tab
    finally:
        browser.kill()
        browser.wait()
        os.close(ours_in)
        os.close(ours_out)
