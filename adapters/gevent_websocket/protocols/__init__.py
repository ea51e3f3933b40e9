"""What stands between a WebSocketApplication and its messages."""
