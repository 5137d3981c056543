"""PAM, the personal assistant: notices over a WebSocket, and answers to its questions."""
