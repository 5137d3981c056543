"""Webhook: notices as signed JSON, for programs of your own."""
