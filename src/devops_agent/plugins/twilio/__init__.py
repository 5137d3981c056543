"""Twilio: text messages to phones."""
