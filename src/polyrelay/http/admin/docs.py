"""The API's description and a page to read and try it, all from local files: nothing is fetched from elsewhere."""

from importlib import resources

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyrelay.http.admin import gate
from polyrelay.service.administration import refusals

router = gate.router("docs")

_SWAGGER = resources.files("fastapi_offline") / "static"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_START = """\
SwaggerUIBundle({url: "openapi.json", dom_id: "#ui", validatorUrl: null, deepLinking: true, tryItOutEnabled: true});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>polyrelay control plane</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
"""Swagger UI writes style attributes; scripts come from here only, and it talks to nobody else."""

_HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


@router.get("/openapi.json", **gate.public())
async def openapi(request: Request) -> Response:
    """The description: what operations there are and who may use them. Nothing of this relay."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", **gate.public())
async def page() -> Response:
    """The page."""
    return Response(_PAGE, 200, _HEADERS, "text/html; charset=utf-8")


@router.get("/docs/{asset}", **gate.public())
async def asset(asset: str) -> Response:
    """What the page is made of."""
    if asset == "start.js":
        return Response(_START, 200, _HEADERS, "text/javascript")
    if asset not in _ASSETS:
        raise refusals.missing("file", asset)
    return Response((_SWAGGER / asset).read_bytes(), 200, _HEADERS, _ASSETS[asset])
