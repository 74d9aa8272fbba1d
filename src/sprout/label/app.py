"""The page of `sprout label` and what it asks for. It answers this machine's browsers only."""

import sys
from dataclasses import asdict
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sprout.data.prepare.answers import Answer
from sprout.label.images import Place, Split
from sprout.label.knowledge import Learning
from sprout.label.picture import png
from sprout.label.queue import SECTIONS, Question, Queue, Section
from sprout.label.standing import ConflictError, New, Standing
from sprout.runtime.disk import DiskError
from sprout.runtime.errors import UserError, one_line
from sprout.serve.limits import LimitedBody
from sprout.serve.listening import invalid, refused

HOSTS = ["127.0.0.1", "localhost"]
"""Names under which a browser may ask: a page from elsewhere that has its own name lead here is refused."""
MOST_BYTES = 100_000
"""Of a request."""
GUESSES = 3
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; "
    + "; ".join(f"{kind}-src 'self'" for kind in ("style", "script", "connect", "img"))
    + " data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""Of the page: it loads nothing from elsewhere."""
PAGE: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "/": ("text/html", [("sprout.label", "page.html")]),
    "/page.css": ("text/css", [("sprout.report", "page.css"), ("sprout.label", "page.css")]),
    "/page.js": ("text/javascript", [("sprout.label", "page.js")]),
}
"""Path → its type, and the files that it consists of."""
Row = Annotated[int, Path(ge=0, lt=2**31)]


class Body(BaseModel):
    """What a page sends."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Browser(Body):
    """A page that is open somewhere."""

    browser: str = Field(min_length=1, max_length=64)
    build: str = Field(max_length=64)
    """Of the images that it shows, as `/state` has said it."""


class Asking(Browser):
    """It needs a batch."""

    section: Section
    afresh: bool = False


class About(Browser):
    """It says something about an image."""

    split: Split
    row: int = Field(ge=0, lt=2**31)


class Given(About):
    """An answer."""

    answer: Literal["class", "none"]
    label: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def check_label(self) -> Self:
        """Check that there is a label where a class is answered, and nowhere else."""
        if (self.answer == "class") != bool(self.label):
            raise ValueError("label is for the answer class, which needs one")
        return self


class Undone(About):
    """An answer to take back."""

    at: str = Field(max_length=64)


def make_app(standing: Standing, queue: Queue, learning: Learning) -> FastAPI:
    """Make the app.

    Args:
        standing: the answers.
        queue: the questions.
        learning: what is known of the images, or will be.
    """
    app = FastAPI(title="sprout label", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LimitedBody, most=MOST_BYTES)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(UserError, mistaken)
    app.add_exception_handler(DiskError, mistaken)
    app.add_exception_handler(Exception, failed)
    images = standing.images

    def existing(split: Split, row: int) -> Place:
        if row >= len(images.stores[split]):
            raise HTTPException(404, f"{split} {row}: no such image")
        return Place(split, row)

    def check_build(asked: Browser) -> None:
        if asked.build != images.build:
            raise HTTPException(412, "the page shows the images of another build; load it again")

    def state() -> dict[str, Any]:
        known = learning.knowledge
        return {
            "counts": asdict(standing.counts()),
            "left": {name: queue.left(name) for name in SECTIONS if name != "pool"},
            "learning": {"done": learning.done, "total": learning.total, "error": learning.error},
            "source": known.source if known else "",
            "guesses": known is not None and known.probabilities is not None,
        }

    def question(each: Question) -> dict[str, Any]:
        held, given = standing.last(each.place), images.label(each.place)
        return {
            "split": each.place.split,
            "row": each.place.row,
            "origin": images.name(each.place),
            "suggested": each.suggested,
            "score": each.score,
            "given": given,
            "held": None if held is None else written(held),
        }

    for path, (kind, parts) in PAGE.items():
        app.get(path)(page_part(kind, parts))

    @app.get("/state")
    def get_state() -> dict[str, Any]:
        height, width = images.stores["pool"].shape[:2]
        fixed = {
            "build": images.build,
            "classes": images.classes,
            "file": standing.file.path.as_posix(),
            "by": standing.by,
            "strategy": queue.strategy.strategy,
            "size": [width, height],
            "sections": [name for name in SECTIONS if name == "pool" or queue.lists[name]],
        }
        return fixed | state()

    @app.post("/next")
    def get_next(asking: Asking) -> dict[str, Any]:
        check_build(asking)
        if asking.section == "pool" and learning.knowledge is None:
            if learning.error:
                raise HTTPException(500, learning.error)
            return {"waiting": True, "questions": []} | state()
        found = queue.next(asking.section, asking.browser, learning.knowledge, afresh=asking.afresh)
        return {"waiting": False, "questions": [question(each) for each in found]} | state()

    @app.get("/image/{split}/{row}.png")
    def get_image(split: Split, row: Row) -> Response:
        return Response(png(images, existing(split, row)), media_type="image/png")

    @app.get("/guess/{split}/{row}")
    def get_guess(split: Split, row: Row) -> dict[str, Any]:
        known, place = learning.knowledge, existing(split, row)
        if known is None or known.probabilities is None or split != "pool":
            raise HTTPException(404, "no model has looked at this image")
        found = known.probabilities[place.row]
        best = found.argsort()[::-1][:GUESSES].tolist()
        return {"top": [{"label": images.classes[index], "probability": float(found[index])} for index in best]}

    @app.post("/answer")
    def give(given: Given) -> dict[str, Any]:
        check_build(given)
        place = existing(given.split, given.row)
        return {"written": written(standing.give(New(place, given.answer, given.label)))} | state()

    @app.post("/undo")
    def undo(undone: Undone) -> dict[str, Any]:
        check_build(undone)
        held = standing.take_back(existing(undone.split, undone.row), undone.at)
        return {"held": None if held is None else written(held)} | state()

    @app.post("/skip")
    def skip(about: About) -> dict[str, Any]:
        check_build(about)
        queue.skip(existing(about.split, about.row))
        return state()

    return app


def page_part(kind: str, parts: list[tuple[str, str]]) -> Any:
    """Return what answers with some files of the project, in one."""
    text = "\n".join(files(package).joinpath(name).read_text(encoding="utf-8") for package, name in parts)

    def get() -> Response:
        return Response(text, media_type=kind, headers=HEADERS)

    return get


def written(answer: Answer) -> dict[str, str]:
    """What the page is told of an answer."""
    return {name: getattr(answer, name) for name in ("answer", "label", "by", "at", "replaces")}


async def mistaken(request: Request, error: Exception) -> JSONResponse:
    """Answer where an answer cannot be taken: 409 if somebody else was faster, 507 if the disk refuses, else 400."""
    status = 409 if isinstance(error, ConflictError) else 507 if isinstance(error, DiskError) else 400
    return JSONResponse({"error": one_line(error)}, status)


async def failed(request: Request, error: Exception) -> JSONResponse:
    """Answer what should not happen, and say it in the server's output."""
    print(f"{request.url.path}: {type(error).__name__}: {one_line(error)}", file=sys.stderr, flush=True)
    return JSONResponse({"error": "this has failed; see the output of sprout label"}, 500)
