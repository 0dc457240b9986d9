"""The ceiling: parse the body, answer JSON of the same kind and size, and do nothing else.

``python bench/bare.py PORT ANSWERS`` serves with the settings of ``metronome-sandbox serve``. ANSWERS is a JSON file
with an answer for each method, recorded from the sandbox; it is encoded anew for every request, as a real answer is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn


class Bare:
    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if body:
            orjson.loads(body)
        answer = orjson.dumps(self.answers[scope["method"]])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        Bare(orjson.loads(Path(sys.argv[2]).read_bytes())),
        port=int(sys.argv[1]),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )
