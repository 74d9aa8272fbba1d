"""What one request may cost."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Limits:
    """The limits of a request."""

    bytes: int = 32 << 20
    """Of its body."""
    examples: int = 256
    """Images or rows."""
    pixels: int = 50_000_000
    """Of one image, before it is resized."""
    seconds: float = 30.0
    """Until its predictions are there."""


class LimitedBody:
    """Refuses a body of more than so many bytes, at the latest when they have come."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        """Wrap an app."""
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self.most:
                raise HTTPException(413, f"more than {self.most:,} bytes; send fewer images in a request")
            return message

        await self.app(scope, counted, send)
