"""MLflow's server with a page that begins with trainings: an application for `mlflow server --app-name sprout`.

The page keeps in the browser whether it shows trainings or chat models, and begins with the latter. A script in the
page sets this and the assistant's panel, unless the browser has a choice of its own already.
"""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import mlflow.server
from mlflow.server.fastapi_app import app as mlflow_app

from sprout.runtime.signals import die_with_parent

Message = dict[str, Any]
PAGE = Path(mlflow.server.__file__).parent / "js" / "build" / "index.html"
CHOICES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
"""MLflow's keys in the browser's storage."""
SCRIPT = (
    f"<script>for (const [key, value] of Object.entries({json.dumps(CHOICES)}))"
    "if (localStorage.getItem(key) === null) localStorage.setItem(key, value)</script>"
)


class App:
    """An ASGI application: MLflow's, except for the page itself."""

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await mlflow_app(scope, receive, send)
            return
        page = PAGE.read_text(encoding="utf-8").replace("<head>", f"<head>{SCRIPT}", 1).encode()
        head = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(page)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": page})


app = App()
die_with_parent(parent=os.getppid())
