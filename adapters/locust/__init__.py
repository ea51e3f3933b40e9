"""The door for Locust: users that talk over WebSockets, and whose every exchange is measured.

task -> MeasuredWebSocket -> geventws.WebSocket            events.request <- Response <- answer

Importing this imports locust, and that patches the standard library: do it first in a program.
"""

from __future__ import annotations

from geventws.adapters.locust.buckets import fine_bucket as fine_bucket
from geventws.adapters.locust.buckets import install_fine_buckets as install_fine_buckets
from geventws.adapters.locust.dashboard import install_dashboard as install_dashboard
from geventws.adapters.locust.failures import WebSocketFailure as WebSocketFailure
from geventws.adapters.locust.matching import Match as Match
from geventws.adapters.locust.pacing import constant_rate as constant_rate
from geventws.adapters.locust.replay import ReplayUser as ReplayUser
from geventws.adapters.locust.response import Response as Response
from geventws.adapters.locust.timing import Timing as Timing
from geventws.adapters.locust.user import WebSocketUser as WebSocketUser
from geventws.adapters.locust.websocket import MeasuredWebSocket as MeasuredWebSocket
