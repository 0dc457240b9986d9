"""Pages beside both contracts: the contracts themselves, and Swagger UI to read and try them, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from mimetypes import guess_type
from pathlib import Path

import orjson

from metronome_sandbox.api.requests import Reply
from metronome_sandbox.spec.document import Document

ASSETS = (
    "favicon-16x16.png",
    "favicon-32x32.png",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-ui.css",
)
"""The only files of the Swagger UI package that are served; a name from outside never reaches the file system."""

_SWAGGER_UI = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <link rel="stylesheet" href="/docs/swagger-ui.css">
  <link rel="stylesheet" href="/docs/index.css">
  <link rel="icon" type="image/png" href="/docs/favicon-32x32.png" sizes="32x32">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/swagger-ui-standalone-preset.js"></script>
  <script>
    window.ui = SwaggerUIBundle({{
      urls: {urls},
      dom_id: "#swagger-ui",
      deepLinking: true,
      docExpansion: "none",
      persistAuthorization: true,
      validatorUrl: null,  // the default asks a server on the internet
      presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
      layout: "StandaloneLayout"
    }});
  </script>
</body>
</html>
"""


NO_CACHE = ((b"cache-control", b"no-cache"),)
"""A browser asks again each time, since another server may listen on the same port tomorrow."""


class Pages:
    """The pages by path.

    Args:
        documents: Path of each contract and the contract itself, in the order Swagger UI offers them.
    """

    def __init__(self, documents: Sequence[tuple[str, Document]]) -> None:
        self._documents = dict(documents)

    def find(self, path: str, if_none_match: bytes | None = None) -> Reply | None:
        """Return the page at ``path``, None where there is none.

        Args:
            path: Decoded.
            if_none_match: Entity tags that the caller has already; with the current one the answer is an empty 304.
        """
        document = self._documents.get(path)
        if document is not None:
            etag = document.etag.encode()
            headers = (*NO_CACHE, (b"etag", etag))
            is_known = if_none_match is not None and (etag in if_none_match or if_none_match.strip() == b"*")
            return Reply(status=304 if is_known else 200, body=b"" if is_known else document.raw, headers=headers)
        if path == "/":
            return Reply(status=307, body=b"", content_type="text/plain", headers=((b"location", b"/docs"),))
        if path in ("/docs", "/docs/"):
            return Reply(body=self._swagger_ui(), content_type="text/html; charset=utf-8", headers=NO_CACHE)
        if path.startswith("/docs/") and path[6:] in ASSETS:
            return _asset(path[6:])
        return None

    def _swagger_ui(self) -> bytes:
        urls = [{"url": path, "name": document.title or path} for path, document in self._documents.items()]
        # "</" inside a script would end it
        listed = orjson.dumps(urls).decode().replace("</", "<\\/")
        return _SWAGGER_UI.format(title=escape("metronome-sandbox"), urls=listed).encode()


@lru_cache(maxsize=len(ASSETS))
def _asset(name: str) -> Reply:
    from swagger_ui_bundle import swagger_ui_path  # 1 MB of files; most servers are never asked for them

    file = Path(str(swagger_ui_path)) / name
    content_type = guess_type(name)[0] or "application/octet-stream"
    return Reply(body=file.read_bytes(), content_type=content_type, headers=NO_CACHE)
