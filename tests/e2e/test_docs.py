"""Pages of the site that `make docs` has built, as a browser shows them."""

import pathlib
import re
import shutil
import subprocess

import pytest

SITE = pathlib.Path(__file__).parents[2] / "docs" / "_build" / "html"
BROWSER = shutil.which("chromium")

pytestmark = [
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="make docs was not run"),
    pytest.mark.skipif(BROWSER is None, reason="the browser chromium is not installed"),
]


def look_at(page: str, profile: pathlib.Path, query: str = "") -> tuple[str, list[str]]:
    """Gives a page after its scripts have run, and what they wrote to the console."""
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            "--virtual-time-budget=30000",
            "--dump-dom",
            f"{(SITE / page).as_uri()}{query}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, re.findall(r":CONSOLE[^\]]*\] (.*)", done.stderr)


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("index.html", "<h1>kerasnas"),
        ("tutorials/first_search.html", "accuracy of the file on the test images"),
        ("how_to/memory_report.html", "<img"),
        ("api/hardware.html", "kerasnas.hardware.BOARDS"),
    ],
)
def test_a_page_has_a_search_box_and_code_and_no_errors(page, shown, tmp_path):
    dom, console = look_at(page, tmp_path)
    assert console == []
    assert re.search(r'<input[^>]*name="q"', dom)
    assert '<div class="highlight">' in dom
    assert shown in dom


def test_pictures_are_there():
    page = (SITE / "how_to/memory_report.html").read_text()
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', page)
    assert pictures
    for picture in pictures:
        assert (SITE / "how_to" / picture).is_file()


@pytest.mark.parametrize(
    ("sought", "page"),
    [
        ("hardware.BOARDS", "how_to/boards"),
        ("report.memory", "how_to/memory_report"),
        ("Oracle.completed", "how_to/conformance"),
        ("conformance suite", "how_to/conformance"),
        ("cross-validation", "how_to/cross_validation"),
        ("regression", "how_to/regression"),
        ("add proxy", "how_to/extend_a_benchmark"),
        ("add strategy", "how_to/extend_a_benchmark"),
        ("AutoKeras", "comparison"),
        ("deprecated", "stability"),
    ],
)
def test_the_search_finds_what_newcomers_look_for(sought, page, tmp_path):
    dom, console = look_at("search.html", tmp_path, f"?q={sought}")
    assert console == []
    assert any(link.startswith(page) for link in re.findall(r'<li[^>]*><a href="([^"]+)"', dom))


def test_the_site_has_its_pages_and_loads_nothing_from_elsewhere():
    pages = [page for page in SITE.rglob("*.html") if "_modules" not in page.parts]
    assert len(pages) > 15
    elsewhere = re.compile(r'<(?:script|img|link)[^>]* (?:src|href)="https?://')
    assert [page.name for page in pages if elsewhere.search(page.read_text())] == []
