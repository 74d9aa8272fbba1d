"""What the body of one request may cost."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


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
                raise HTTPException(413, f"more than {self.most:,} bytes in a request")
            return message

        await self.app(scope, counted, send)
