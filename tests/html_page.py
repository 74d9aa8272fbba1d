"""Reads report pages in tests."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image


class Reader(HTMLParser):
    """Collects the tags, the attributes that could fetch something, and the words of each table row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.ids: list[str] = []
        self.cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [str(found[key]) for key in ("src", "href", "xlink:href") if key in found]
        self.ids += [str(found["id"])] if "id" in found else []
        self.images += [found] if tag == "img" else []
        self.rows += [[]] if tag == "tr" else []
        if tag in ("th", "td"):
            self.rows[-1].append("")
        self.cell = self.cell or tag in ("th", "td")

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data.strip()


def decoded(image: dict[str, str | None]) -> np.ndarray:
    data = str(image["src"]).removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def self_contained(page: str) -> bool:
    found = Reader(page)
    inside = all(link.startswith(("data:", "#")) for link in found.links)
    return inside and "script" not in found.tags and len(found.ids) == len(set(found.ids))


def sections(page: str) -> list[str]:
    return re.findall(r'<section id="([\w-]+)">', page)


def linked(page: str) -> list[str]:
    contents = page[page.index('<nav class="contents"') : page.index("</nav>")]
    return re.findall(r'href="#([\w-]+)"', contents)
