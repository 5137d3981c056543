"""Programs under supervisord, over its XML-RPC interface."""
