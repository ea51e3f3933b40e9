"""The files of our own pages, as responses that keep a page to itself."""

from __future__ import annotations

from importlib.resources import files

from geventws.core.handshake import Response

Headers = tuple[tuple[str, str], ...]


def page_headers(caching: str) -> Headers:
    """Return the headers of a page that loads nothing from elsewhere and is framed by nobody.

    Args:
        caching: what Cache-Control says.
    """
    return (
        (
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'",
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", caching),
    )


def page_file(package: str, name: str, content_type: str, headers: Headers) -> Response:
    """Return the file *name* of *package*, a text in UTF-8, as a response with *headers*."""
    body = files(package).joinpath(name).read_bytes()
    return Response(200, (("Content-Type", f"{content_type}; charset=utf-8"), *headers), body)
