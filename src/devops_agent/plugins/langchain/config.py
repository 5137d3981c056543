"""What the plugin is built from: the part of `investigation.model` that says which model, where, and at what price."""

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model, where, and at what price."""

    name: str
    """`PROVIDER:MODEL` in LangChain's words: `openai:gpt-4o-mini`, `anthropic:…`, `ollama:…`."""
    base_url: str = ""
    """Where it is asked, when not at its maker's."""
    key_file: str = ""
    """File that holds the API key."""
    input_price: float = 0.0
    """Dollars for a million tokens that it reads."""
    output_price: float = 0.0
    """Dollars for a million tokens that it writes."""
