"""Who may come in: whoever has the token, from a page of ours, under a name of this machine's own.

A web page that the user visits can send requests to this machine, too. It knows no token, its `Origin` is another one,
and where it has a name that resolves to this machine, the `Host` is. All three are checked, on every request.
"""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

TOKEN = "token"  # noqa: S105 - the name of a parameter
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """A middleware. The token comes once in the address, and stays in a cookie; programs send it as a bearer's."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token
        self._hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1")}
        self.cookie = f"fxwatch-{port}"  # cookies know no ports: two servers must not share one

    @property
    def middleware(self) -> Middleware:
        """For an application."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await self._admit(request, handler)
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

        return guard

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host not in self._hosts:
            return web.Response(status=403, text="this name is not served here; use localhost\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            return web.Response(status=403, text="another page may not read this\n")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="all is read only\n", headers={"Allow": "GET, HEAD"})
        if self._is_ours(request.query.get(TOKEN, "")):
            response = web.Response(status=303, headers={"Location": f"/{request.path.lstrip('/')}"})
            response.set_cookie(self.cookie, self._token, httponly=True, samesite="Strict", path="/")
            return response
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        known = self._is_ours(request.cookies.get(self.cookie, "")) or (scheme == "Bearer" and self._is_ours(bearer))
        if not known:
            return web.Response(status=401, text="open the address that `fxwatch serve` has printed, with its token\n")
        if request.path.startswith("/static") and "." not in request.path.rpartition("/")[2]:
            # a folder, which textual-serve would list
            return web.Response(status=404, text="Not Found\n")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, text=f"{error.reason}\n")

    def _is_ours(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="surrogateescape"), self._token.encode())
