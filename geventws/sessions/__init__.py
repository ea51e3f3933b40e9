"""Sessions: what was said over a WebSocket, by whom and when, recorded and played again.

- openings.py is how a session began, files.py the whole of it and the format of its file.
- har.py reads what browsers export, redaction.py says what no file gets.
- recording.py is the relay before any server, and the tap on one of ours.
- steps.py makes of a session what there is to do, player.py does it; playback.py does it for many
  users at once, over plain connections.
"""

from __future__ import annotations

from geventws.sessions.files import Event, Session, SessionWriter, read_session
from geventws.sessions.har import read_har
from geventws.sessions.openings import Opening
from geventws.sessions.player import Player, ReplayFailed, play, read_sessions
from geventws.sessions.recording import Recorder, Relay, recorded
from geventws.sessions.steps import Step, steps_of

__all__ = [
    "Event",
    "Opening",
    "Player",
    "Recorder",
    "Relay",
    "ReplayFailed",
    "Session",
    "SessionWriter",
    "Step",
    "play",
    "read_har",
    "read_session",
    "read_sessions",
    "recorded",
    "steps_of",
]
