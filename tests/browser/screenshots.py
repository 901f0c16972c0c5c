"""Writes a picture of every page in both themes: `python tests/browser/screenshots.py FOLDER`; what was there goes."""

import io
import logging
import sys
import tempfile
from pathlib import Path

import structlog
from PIL import Image

from browser import chromium, town
from chat_hygiene.web.page import Page
from chat_hygiene.web.pages import PARTS
from support.databases import SqliteDatabases
from support.site import People, served

WIDTH, HEIGHT, MOST = 1280, 860, 900
"""Pixels; a page is shown as far down as MOST."""
COLOURS = 48
THEMES = ("light", "dark")


def write(folder: Path) -> None:
    """One PNG for each page and theme, as an operator sees it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        made = town.build(SqliteDatabases(Path(temporary)).copy(Path(temporary) / "ledger.db"))
        people = People(Path(temporary) / "users")
        people.add("carmen", "operator")
        with (
            served(made.database_url, now=made.now, web_users_file=people.file) as site,
            chromium.started() as browser,
        ):
            for old in folder.glob("*.png"):
                old.unlink()
            for theme in THEMES:
                context = browser.new_context(
                    viewport={"width": WIDTH, "height": HEIGHT},
                    color_scheme=theme,
                    timezone_id="Europe/Madrid",
                )
                page = context.new_page()
                page.goto(f"{site.server.url}/sign-in")
                _take(page, folder / f"sign-in-{theme}.png")
                page.get_by_label("Name").fill("carmen")
                page.get_by_label("Token").fill(people.tokens["carmen"])
                page.keyboard.press("Enter")
                page.wait_for_url(f"{site.server.url}/")
                for part in PARTS:
                    if isinstance(part, Page):
                        page.goto(site.server.url + part.path.format_map(made.given))
                        _take(page, folder / f"{part.name}-{theme}.png")
                context.close()


def _take(page, file: Path) -> None:
    height = min(page.evaluate("document.documentElement.scrollHeight"), MOST)
    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    _in_few_colours(Image.open(io.BytesIO(taken)).convert("RGB")).save(file, optimize=True)


def _in_few_colours(image: Image.Image) -> Image.Image:
    """In those that cover the most of it, as they are: any other choice tints the ground or a small sign."""
    found = sorted(image.getcolors(image.width * image.height), reverse=True)[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in found for part in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
