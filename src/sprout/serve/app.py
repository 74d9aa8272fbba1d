"""The HTTP interface: `POST /predict`, `GET /health`, and its documentation at `/docs`."""

import asyncio
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

import sprout
from sprout.data.store import Array
from sprout.predict.examples import Inputs, Limits, RequestError
from sprout.predict.model import Model
from sprout.runtime.errors import one_line
from sprout.serve.batching import Batcher
from sprout.serve.limits import LimitedBody
from sprout.serve.listening import invalid, refused

JSON, MULTIPART = "application/json", "multipart/form-data"
FILES = "files"
"""The field of a form that holds the images."""
BODIES: dict[str, Any] = {
    MULTIPART: {
        "schema": {
            "type": "object",
            "required": [FILES],
            "properties": {FILES: {"type": "array", "items": {"type": "string", "format": "binary"}}},
        }
    },
    JSON: {
        "schema": {
            "type": "object",
            "properties": {
                "images": {"type": "array", "items": {"type": "string", "description": "an image file in base64"}},
                "rows": {
                    "type": "array",
                    "items": {
                        "description": "the entries of a row, as a list or by column",
                        "oneOf": [{"type": "array"}, {"type": "object"}],
                    },
                },
            },
        }
    },
}
"""What `/predict` accepts."""


def make_app(model: Model, limits: Limits) -> FastAPI:
    """Make the app of a model; `limits` are those of a request."""
    name, inputs = model.name, Inputs(model, limits)
    batcher = Batcher(model.predict_array, model.batch)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # What Pillow may open is up to the limits of a request; its own are those of one process.
        Image.MAX_IMAGE_PIXELS = None
        warnings.simplefilter("ignore")
        yield
        batcher.close()

    app = FastAPI(title=f"sprout: {name}", version=sprout.__version__, lifespan=lifespan)
    app.add_middleware(LimitedBody, most=limits.bytes)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, failed)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Say which model answers, and what it takes."""
        card = model.card
        return {"model": name, "task": card.task, "input_shape": card.input_shape, "classes": card.classes}

    @app.post("/predict", openapi_extra={"requestBody": {"required": True, "content": BODIES}})
    async def predict(request: Request, top: int | None = Query(None, ge=1)) -> dict[str, Any]:
        """Predict images or rows, in their order; `top` is the number of classes to name, by default all."""
        examples = await examples_of(request, inputs)
        try:
            async with asyncio.timeout(limits.seconds):
                found = await asyncio.wrap_future(batcher.submit(examples))
        except TimeoutError:
            raise HTTPException(503, f"no prediction within {limits.seconds:g} s; try again later") from None
        return {"predictions": answers(model, found, top)}

    return app


async def examples_of(request: Request, inputs: Inputs) -> Array:
    """Read the examples of a request; images are decoded on a thread.

    Raises:
        HTTPException: there are none, with 400; or the body is of another type, with 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == JSON:
            return await asyncio.to_thread(inputs.of_json, await request.body())
        if kind == MULTIPART:
            return await asyncio.to_thread(inputs.of_files, await files_of(request, inputs.limits))
    except RequestError as error:
        raise HTTPException(400, str(error)) from None
    raise HTTPException(415, f"content type {kind or 'missing'}; accepted: {MULTIPART} with `{FILES}`, or {JSON}")


async def files_of(request: Request, limits: Limits) -> Sequence[tuple[str, bytes]]:
    """Return the files of a form, each with its name.

    Raises:
        RequestError: the form is damaged or has other fields.
    """
    try:
        async with request.form(max_files=limits.examples, max_fields=1) as form:
            found = form.multi_items()
            if not found or any(key != FILES or not isinstance(each, UploadFile) for key, each in found):
                raise RequestError(f"the form should have image files in the field `{FILES}`, and no other field")
            return [(each.filename or key, await each.read()) for key, each in found if isinstance(each, UploadFile)]
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise RequestError(f"the form cannot be read: {one_line(error.detail)}") from None


def answers(model: Model, predictions: Array, top: int | None) -> list[dict[str, Any]]:
    """Return what is answered for each example."""
    count = min(top or len(model.classes), len(model.classes))
    return [model.task.printed_prediction(each, model.classes, count) for each in predictions]


async def failed(request: Request, error: Exception) -> JSONResponse:
    """Answer where the model itself has failed, and say so in the server's output."""
    print(f"{request.url.path}: {type(error).__name__}: {one_line(error)}", file=sys.stderr, flush=True)
    return JSONResponse({"error": "the model has failed; see the output of the server"}, 500)
