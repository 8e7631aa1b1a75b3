"""A real headless Chromium, and pages served to it that tell what it made of another page."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Blink's own setting, for which there is no switch: 0 is dark, 1 is light.
_SCHEMES = {"dark": "0", "light": "1"}

# Shows the page /page in frames of several widths; writes what was laid out into its own document.
_MEASURE = """<!doctype html><meta charset="utf-8"><body><script>
const seen = [], widths = WIDTHS;
function background(element) {
  for (; element; element = element.parentElement) {
    const colour = element.ownerDocument.defaultView.getComputedStyle(element).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)") return colour;
  }
  return "none";
}
function measure(width, frame) {
  const page = frame.contentDocument, root = page.documentElement, texts = {};
  for (const element of page.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data).join("").trim();
    if (!text || element.closest("title, desc, style") || !element.getClientRects().length) continue;
    const style = page.defaultView.getComputedStyle(element);
    const ink = element instanceof page.defaultView.SVGElement ? style.fill : style.color;
    texts[[ink, background(element), style.fontSize, style.fontWeight].join("|")] = text.slice(0, 60);
  }
  const wide = [...page.body.querySelectorAll("*")].filter(element => !element.closest(".scroll")
    && element.getBoundingClientRect().right > root.clientWidth + 0.5).map(element => element.outerHTML.slice(0, 120));
  seen.push({width, client: root.clientWidth, scroll: root.scrollWidth, wide: wide.slice(0, 5), texts});
}
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0;display:block`;
  frame.onload = () => {
    measure(width, frame);
    if (seen.length === widths.length) {
      const out = document.createElement("pre");
      out.id = "seen"; out.textContent = JSON.stringify(seen); document.body.append(out);
    }
  };
  frame.src = "/page";
  document.body.append(frame);
}
</script>"""


@dataclass(slots=True)
class Served:
    """Pages by path, and what was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(pages: Mapping[str, str]) -> Iterator[Served]:
    """A server on this machine that gives these pages and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = pages.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((content or "").encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def measured(page: str, widths: Sequence[int], scheme: str, folder: Path) -> list[dict[str, Any]]:
    """For each width what the browser laid out: `client` and `scroll` width of the document, elements that are too
    `wide`, and the `texts` by "ink|background|size|weight"."""
    with serving({"/measure": _MEASURE.replace("WIDTHS", json.dumps(list(widths))), "/page": page}) as served:
        dom = browse(f"{served.url}/measure", folder, scheme)
    found = re.search(r'<pre id="seen">(.*)</pre>', dom, re.DOTALL)
    assert found, f"nothing was measured: {dom[-500:]}"
    seen: list[dict[str, Any]] = json.loads(unescape(found[1]))
    return sorted(seen, key=lambda each: int(each["width"]))


def browse(url: str, folder: Path, scheme: str = "light") -> str:
    """The document as it stands once the browser has loaded and drawn it."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        # As on a phone: a scrollbar takes no room.
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
        "--window-size=1400,1000",
        "--virtual-time-budget=10000",
        "--dump-dom",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
