"""Every page as a browser has it: in two widths and two themes, with a ledger that is full of hostile names."""

import json
from urllib.parse import quote, urlencode

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from browser.hostile import ACTOR
from chat_hygiene.web.page import Deed, Page
from chat_hygiene.web.pages import PARTS

WIDTHS, THEMES = (1280, 360), ("light", "dark")


def paths(given):
    """Of every part that is looked at, and of the door; a form gets by its query what a link to it would give."""
    query = urlencode(given)
    for part in PARTS:
        if isinstance(part, Page | Deed):
            path = part.path.format_map({name: quote(value, safe="") for name, value in given.items()})
            yield f"{path}?{query}" if isinstance(part, Deed) else path
    yield from ("/zone", "/no-such-page")


def sign_in(page, site, people):
    page.goto(f"{site.server.url}/")
    page.get_by_label("Name").fill(ACTOR)
    page.get_by_label("Token").fill(people.tokens[ACTOR])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.server.url}/")


@pytest.fixture(params=THEMES)
def page(request, browser):
    """`page.troubles` is what the console, dialogs and the policy for content complained of."""
    context = browser.new_context(color_scheme=request.param)
    page = context.new_page()
    page.theme, page.troubles = request.param, []
    page.on(
        "console", lambda told: page.troubles.append(told.text) if told.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("dialog", lambda dialog: (page.troubles.append(f"dialog {dialog.message}"), dialog.dismiss()))
    yield page
    context.close()


CHECKS = """async rules => {
  const found = (await axe.run({resultTypes: ['violations'], ...rules})).violations;
  const root = document.documentElement;
  return {
    'axe finds': found.map(each => each.id + ': ' + each.nodes.slice(0, 3).map(node => node.target).join(', ')),
    'wider than the screen by': root.scrollWidth > root.clientWidth ? [root.scrollWidth - root.clientWidth] : [],
    'injected': [...document.querySelectorAll('#escaped, iframe, [onload], [onerror], [onfocus], [onmouseover], a[href^="javascript:"]')]
      .map(each => each.outerHTML).concat(window.escaped ? ['a script ran'] : []),
  };
}"""


def looked_at(page):
    """What is wrong with the page that is open, in both widths."""
    page.evaluate(AXE_SCRIPT)
    # Structure is the same in the dark: only the colours are others.
    rules = {"runOnly": ["color-contrast"]} if page.theme == "dark" else {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        told = page.evaluate(CHECKS, rules)
        yield from (f"{width} px, {name}: {what}" for name, found in told.items() for what in found)
    yield from page.troubles
    page.troubles.clear()


def test_every_page_is_sound_in_both_widths(page, site, people, given):
    page.goto(f"{site.server.url}/sign-in")
    wrong = {"/sign-in": list(looked_at(page))}
    sign_in(page, site, people)
    for path in paths(given):
        answer = page.goto(site.server.url + path)
        expected = 404 if path == "/no-such-page" else 200
        if expected == 404:
            page.troubles.clear()  # the browser says so itself
        status = [] if answer.status == expected else [f"status {answer.status}"]
        wrong[path] = [*status, *looked_at(page)]
    told = {path: what for path, what in wrong.items() if what}
    assert not told, json.dumps(told, indent=1, ensure_ascii=False)


def test_a_chat_is_held_without_a_mouse(browser, site, people):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sign_in(page, site, people)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0, "the skip link is not seen when it has the focus"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(f"{site.server.url}/leaving")
    hold = page.locator("main a[href^='/holds/new']").first
    for _ in range(80):
        page.keyboard.press("Tab")
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 2, f"no focus is seen on {page.evaluate('document.activeElement.outerHTML')}"
        if hold.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/holds/new*")
    page.get_by_label("Reason").focus()
    page.keyboard.type("a dispute about an order")
    page.keyboard.press("Enter")
    page.wait_for_url("**/leaving")
    assert "The chat is held" in page.get_by_role("status").inner_text()
    context.close()
