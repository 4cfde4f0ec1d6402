"""The published book in a real browser: on a desk and on a phone, in light and dark, page by page.

What is not seen here stands at the top of ``audit.js``; besides, no link to another host is followed.
"""

import base64
import functools
import gzip
import os
import shutil
from urllib.parse import unquote, urldefrag, urlsplit

import browser
import pytest
import tiny_study

from rrr_utils.study import book as built

PROJECT = tiny_study.PROJECT
AUDIT = (PROJECT / "tests" / "book" / "audit.js").read_text(encoding="utf-8")
SCREENS = {"desk": (1280, 900, False), "phone": (390, 844, True)}
SCHEMES = ("light", "dark")
WEIGHT = 1_500_000  # bytes of a page and its pictures
SHARED = 1_600_000  # bytes of what all pages share (the theme, MathJax), compressed as web servers do; loaded once
TALLEST = 4000  # pixels of a screenshot
# Colours that are on their way from light to dark are none of the two; the second frame shows the new ones.
STILL = """(() => {
  const still = "*, *::before, *::after { transition: none !important; animation: none !important; }";
  document.head.append(Object.assign(document.createElement("style"), { textContent: still }));
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))));
})()"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    if browser.CHROMIUM is None:
        words = "There is no Chromium (chromium, chromium-browser, google-chrome) on this machine."
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{words} With CI=true the book has to be looked at: apt-get install chromium.")
        pytest.skip(f"{words} The book is not looked at in a browser.")
    with browser.chromium(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def book():
    """The folder of the committed book; built unless the one that is there is of these sources."""
    assert built.committed() == 0
    return PROJECT / "_build" / "html"


def problems_of(events, origin):
    """Return what the browser complained of while it loaded a page, and the paths of the files that it got."""
    problems, addresses, paths = [], {}, set()
    for event in events:
        method, said = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            address = addresses[said["requestId"]] = said["request"]["url"]
            if not address.startswith((f"{origin}/", "data:", "blob:")):
                problems.append(f"asks for {address}")
        elif method == "Network.responseReceived" and said["response"]["status"] >= 400:
            problems.append(f"{said['response']['status']} for {said['response']['url']}")
        elif method == "Network.loadingFailed" and not said.get("canceled"):
            problems.append(f"{said['errorText']} for {addresses.get(said['requestId'])}")
        elif method == "Network.loadingFinished":
            address = addresses[said["requestId"]]
            if address.startswith(f"{origin}/"):
                paths.add(unquote(urlsplit(address).path).lstrip("/"))
        elif method == "Log.entryAdded" and said["entry"]["level"] == "error":
            problems.append(f"console: {said['entry']['text']}")
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "assert"):
            problems.append(f"console: {[part.get('value', part.get('description')) for part in said['args']]}")
        elif method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            problems.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
    return problems, paths


@functools.cache
def compressed(path):
    """Return the bytes that a web server sends for a file."""
    content = path.read_bytes()
    text = path.suffix in (".html", ".js", ".css", ".svg", ".json", ".txt")
    return len(gzip.compress(content, 6)) if text else len(content)


def looked_at(tab, origin, page, folder):
    """Return the problems of one page on every screen in both schemes, and what the audit found on it."""
    problems, found = [], {}
    for screen, (width, height, phone) in SCREENS.items():
        tab.screen(width, height, phone)
        tab.prefer("light")
        said, paths = problems_of(tab.open(f"{origin}/{page}"), origin)
        problems += [f"{screen}: {each}" for each in said]
        own = sum((folder / path).stat().st_size for path in paths if not path.startswith("_static/"))
        shared = sum(compressed(folder / path) for path in paths if path.startswith("_static/"))
        if own > WEIGHT or shared > SHARED:
            problems.append(f"{screen}: {own:,} bytes of its own, at most {WEIGHT:,}; {shared:,} shared, {SHARED:,}")
        for scheme in SCHEMES:
            tab.prefer(scheme)
            tab.run(STILL)
            found = tab.run(AUDIT)
            if found["theme"] not in (scheme, None):
                problems.append(f"{screen}: asked for {scheme}, it is {found['theme']}")
            for kind in ("faint", "mute", "wide"):
                problems += [f"{screen}, {scheme}: {kind}: {each}" for each in found[kind]]
            keep_picture(tab, page, screen, scheme, found["height"])
    return problems, found


def keep_picture(tab, page, screen, scheme, tall):
    """Leave a screenshot in build/screenshots for a person to look at: on a screen as tall as the page."""
    width, height, phone = SCREENS[screen]
    name = page.removesuffix(".html").replace("/", "--")
    path = PROJECT / "build" / "screenshots" / f"{name}-{screen}-{scheme}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    tab.screen(width, max(height, min(tall, TALLEST)), phone)
    path.write_bytes(base64.b64decode(tab.picture()))
    tab.screen(width, height, phone)


def broken_links(pages, origin, folder):
    """Return links inside the book that lead to no file or to no place in it, by the page that has them."""
    broken = []
    for page, found in pages.items():
        for link in found["links"]:
            address, fragment = urldefrag(link)
            if not address.startswith(f"{origin}/"):
                continue
            target = unquote(urlsplit(address).path).lstrip("/") or "index.html"
            if not (folder / target).is_file():
                broken.append(f"{page}: {target} is not there")
            elif fragment and target in pages and unquote(fragment) not in pages[target]["ids"]:
                broken.append(f"{page}: {target} has no #{fragment}")
    return sorted(set(broken))


def test_every_page_of_the_book_holds_in_a_browser(chrome, book):
    """No error, no other host, no dead link, no mute picture, no faint text, nothing too wide or too heavy."""
    shutil.rmtree(PROJECT / "build" / "screenshots", ignore_errors=True)
    pages, problems = {}, []
    names = sorted(
        path.relative_to(book).as_posix()
        for path in book.rglob("*.html")
        # The address of the whole book only leads on to its first page.
        if "_static" not in path.parts and 'http-equiv="Refresh"' not in path.read_text(encoding="utf-8")
    )
    assert len(names) > 10
    with browser.served(book) as origin:
        for page in names:
            wrong, found = looked_at(chrome, origin, page, book)
            pages[page] = found
            problems += [f"{page}: {each}" for each in wrong]
        problems += broken_links(pages, origin, book)
    assert pages["book/method.html"]["formulas"] > 5, "formulas are not set"
    assert all(found["title"] and found["language"] for found in pages.values())
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems)


BAD = """<!doctype html><html lang="en" data-theme="light"><head><title>Bad</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="background:#fff;color:#000">
<p id="faint" style="color:#999">grey on white is 2.85</p>
<p style="color:#767676">this grey is 4.54 and will do</p>
<p style="font-size:24px;color:#949494">large, 3.03, will do</p>
<div style="background:#000"><p style="color:#000;opacity:.5">black on black</p></div>
<img src="pixel.png"><img src="pixel.png" alt="../_images/pixel.png"><img src="pixel.png" alt="One pixel.">
<img src="gone.png" alt="Gone.">
<div style="width:500px;background:#eee">wide</div>
<a href="nowhere.html">dead</a><a href="#faint">alive</a><a href="bad.html#nothing">no such place</a>
<script>console.error("spoken"); fetch("https://example.org/").catch(() => 0); missing();</script></body></html>"""


def test_the_audit_finds_what_is_wrong(chrome, tmp_path):
    """A page that is bad in every way that is looked for: each fault is named, and what is right is not."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    (tmp_path / "bad.html").write_text(BAD, encoding="utf-8")
    (tmp_path / "pixel.png").write_bytes(base64.b64decode(pixel))
    with browser.served(tmp_path) as origin:
        chrome.screen(390, 844, True)
        said, _ = problems_of(chrome.open(f"{origin}/bad.html"), origin)
        found = chrome.run(AUDIT)
        broken = broken_links({"bad.html": found}, origin, tmp_path)
    assert [line.split(" ", 1)[0] for line in found["faint"]] == ["2.85", "1.00"]
    assert [line.split(" ", 1)[0] for line in found["mute"]] == ["pixel.png", "pixel.png"]
    assert found["wide"]
    assert broken == ["bad.html: bad.html has no #nothing", "bad.html: nowhere.html is not there"]
    for words in ("spoken", "asks for https://example.org/", "missing is not defined", "404"):
        assert any(words in line for line in said), (words, said)
