from __future__ import annotations

from geventws.assets import page_file, page_headers


def test_page_is_kept_to_itself() -> None:
    headers = dict(page_headers("no-store"))
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_file_is_a_response_of_its_type() -> None:
    response = page_file("geventws.demo", "chat.css", "text/css", (("X-One", "1"),))
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["X-One"] == "1"
    assert b"{" in response.body
