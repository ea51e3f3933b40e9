"""gevent-websocket under gunicorn."""
