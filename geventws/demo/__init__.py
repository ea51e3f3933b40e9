"""The packaged demo, `geventws serve --chat`: chat rooms and an echo behind one small page."""

from __future__ import annotations

from geventws.demo.chat import Chat
from geventws.demo.page import demo_handler, demo_over, pages

__all__ = ["Chat", "demo_handler", "demo_over", "pages"]
