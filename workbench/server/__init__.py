"""The Jupyter server extension: REST, WebSocket, roles."""
