"""The evidence report in a real browser: it fits every width, can be read in light and dark, and fetches nothing."""

import re
from pathlib import Path
from typing import Any

import pytest

from drs_orchestrator.report_page.page import report_page
from tests.helpers.browser import CHROMIUM, browse, measured, serving
from tests.helpers.orchestrator import Orchestrator
from tests.helpers.reports import enlarged, troubled_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium or Chrome on the PATH")

WIDTHS = (320, 390, 1280)
LONG = "a-name-without-any-place-to-break-it-" * 6
"""What a tag Name may hold; a page must not become wider for it."""


@pytest.fixture
def report(orchestrator: Orchestrator) -> dict[str, Any]:
    return troubled_report(orchestrator, LONG)


@pytest.mark.parametrize("servers", [4, 300])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_width_and_every_text_has_contrast(
    report: dict[str, Any], tmp_path: Path, scheme: str, servers: int
) -> None:
    page = report_page(enlarged(report, servers) if servers > 4 else report)
    paper = set()
    for seen in measured(page, WIDTHS, scheme, tmp_path):
        assert seen["scroll"] <= seen["client"] == seen["width"], f"too wide at {seen['width']}: {seen['wide']}"
        assert seen["wide"] == []
        assert len(seen["texts"]) > 10
        for look, text in seen["texts"].items():
            ink, background, size, weight = look.split("|")
            paper.add(background)
            is_large = pixels(size) >= 24 or (pixels(size) >= 18.66 and float(weight) >= 700)
            assert contrast(ink, background) >= (3 if is_large else 4.5), f"{look}: {text}"
    assert any(luminance(each) > 0.8 for each in paper) is (scheme == "light")


def test_a_page_fetches_nothing_even_if_markup_had_slipped_into_it(report: dict[str, Any], tmp_path: Path) -> None:
    """Were a name not escaped, the page's policy would still keep the browser from running or fetching anything."""
    picture = '<img src="/pixel"><script>document.title = "run"</script><style>@import "/style"</style>'
    page = report_page(report).replace("<main>", f"<main>{picture}")
    unguarded = page.replace("Content-Security-Policy", "Nothing")
    with serving({"/page": report_page(report), "/slipped": page, "/unguarded": unguarded}) as served:
        for path in ("/page", "/slipped"):
            dom = browse(served.url + path, tmp_path)
            assert "<title>run</title>" not in dom
        assert [path for path in served.asked if path != "/favicon.ico"] == ["/page", "/slipped"]
        assert "<title>run</title>" in browse(f"{served.url}/unguarded", tmp_path)
        assert {"/pixel", "/style"} <= set(served.asked), "without the policy both would have been fetched"


def pixels(size: str) -> float:
    return float(size.removesuffix("px"))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two opaque CSS colours."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    found = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    assert found, f"{colour} is no opaque colour"
    parts = (int(part) / 255 for part in found.groups())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
