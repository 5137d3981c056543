"""Asks any chat model that LangChain knows; the dialogue itself, with its budgets, is the kit's.

LangChain takes seconds and a hundred megabytes to load: it is loaded when a model is first asked, never before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devops_agent.kit.dialogue import ANSWER, Ask, AskError, Call, Message, Prices, Reply, Request, converse
from devops_agent.kit.tools import SettingsError, Tools, settings
from devops_agent.model.reasoning import Budget, Completion, Ended, Prompt, ReadTool
from devops_agent.plugins.langchain.config import Config
from devops_agent.plugins.langchain.trouble import refused_form, trouble
from devops_agent.ports import PluginError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

    from devops_agent.ports import Clock

_HOMES = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "ollama": "http://127.0.0.1:11434",
}
"""Where models are asked by default; said here, for LangChain would look into the environment first."""
_KEYLESS = frozenset({"ollama"})
_CUT = frozenset({"length", "max_tokens", "model_length"})
_REFUSED = frozenset({"content_filter", "refusal", "safety"})
_STUCK = 300.0
"""Seconds after which a request is dropped, should nobody have dropped it before."""
_HANG_UP = {"Connection": "close"}
"""The packages share their connections for ever; so none is left open, however a dialogue ends."""
_MANNERS: Mapping[str, Mapping[str, Any]] = {
    "openai": {"max_retries": 0, "timeout": _STUCK, "default_headers": _HANG_UP},
    "anthropic": {"max_retries": 0, "timeout": _STUCK, "default_headers": _HANG_UP},
    "ollama": {"client_kwargs": {"timeout": _STUCK, "headers": _HANG_UP}},
}
"""What the packages are told beside the model; trying again is the dialogue's affair."""


def build(config: Mapping[str, object], *, tools: Tools) -> LangchainReasoner:
    """Return the reasoner; `config` is the part of `investigation.model` that `Config` names.

    Raises:
        SettingsError: the name is none, or a key is missing or cannot be read.

    """
    where = "investigation.model"
    found = settings(Config, config, where=where)
    provider, separator, model = found.name.partition(":")
    if not (provider and separator and model):
        message = f"{where}.name: {found.name!r} is no model; write PROVIDER:MODEL, such as openai:gpt-4o-mini"
        raise SettingsError(message)
    key = ""
    if found.key_file:
        try:
            key = tools.secret(found.key_file)
        except PluginError as error:
            message = f"{where}.key_file: {error}"
            raise SettingsError(message) from error
    elif provider not in _KEYLESS and not found.base_url:
        message = f"{where}.key_file: {found.name} needs a key; write it to a file and name the file here"
        raise SettingsError(message)
    return LangchainReasoner(found, key=key, clock=tools.clock)


class LangchainReasoner:
    """Asks one model."""

    def __init__(self, config: Config, *, key: str, clock: Clock) -> None:
        self._config = config
        self._key = key
        self._clock = clock
        self._prices = Prices(input=config.input_price, output=config.output_price)

    async def complete(self, prompt: Prompt, *, tools: Sequence[ReadTool], budget: Budget) -> Completion:
        """Return what came of asking it."""
        provider, _, _ = self._config.name.partition(":")
        try:
            model = await asyncio.to_thread(self._load)
        except AskError as error:
            return Completion(ended=Ended.FAILED, says=str(error))
        ask: Ask = _Chat(model, provider=provider, where=self._where, key=self._key)
        return await converse(prompt, ask=ask, tools=tools, budget=budget, prices=self._prices, clock=self._clock)

    @property
    def _where(self) -> str:
        provider, _, _ = self._config.name.partition(":")
        return self._config.base_url or _HOMES.get(provider, provider)

    def _load(self) -> BaseChatModel:
        """Load LangChain and what it needs for this provider.

        Raises:
            AskError: a package is missing, or LangChain cannot build the model.

        """
        provider, _, _ = self._config.name.partition(":")
        given: dict[str, Any] = dict(_MANNERS.get(provider, {"max_retries": 0, "timeout": _STUCK}))
        if home := self._config.base_url or _HOMES.get(provider, ""):
            given["base_url"] = home
        if provider not in _KEYLESS:
            given["api_key"] = self._key or "none"
        try:
            from langchain.chat_models import init_chat_model

            model: BaseChatModel = init_chat_model(self._config.name, **given)
        except ImportError as error:
            missing = getattr(error, "name", None) or f"langchain-{provider}"
            way_out = "pip install 'devops-ai-agent[ai]'"
            raise AskError(
                f"cannot load {missing}: install it with `{way_out}` or `pip install langchain-{provider}`",
                retryable=False,
            ) from error
        except Exception as error:
            # Each provider's package has errors of its own for what it cannot be built with.
            raise trouble(error, where=self._where, key=self._key) from error
        return model


@dataclass
class _Form:
    """How answers are asked for: a server may know neither tools nor structured output."""

    tools: bool = True
    structured: bool = True


class _Chat:
    """One dialogue's line to the model."""

    def __init__(self, model: BaseChatModel, *, provider: str, where: str, key: str) -> None:
        self._model = model
        self._provider = provider
        self._where = where
        self._key = key
        self._form = _Form()

    async def __call__(self, request: Request) -> Reply:
        """Return the model's reply; where the server knows no tools, or no schemas, ask without.

        Raises:
            AskError: there is none.

        """
        while True:
            tools = self._form.tools and not request.final
            structured = self._form.structured
            try:
                return await self._invoke(request, tools=tools, structured=structured)
            except AskError as error:
                if not refused_form(error) or not (tools or structured):
                    raise
                self._form = _Form(tools=False, structured=structured and tools)

    async def _invoke(self, request: Request, *, tools: bool, structured: bool) -> Reply:
        from langsmith.run_helpers import tracing_context

        runnable = self._bound(request, tools=tools, structured=structured)
        messages = _messages(request, schema_told=tools or structured)
        try:
            # Whatever the environment says: nothing of this is traced to anybody.
            with tracing_context(enabled=False):
                said = await runnable.ainvoke(messages)
        except Exception as error:
            # Each provider's package has errors of its own, and what a server answers may break any of them.
            raise trouble(error, where=self._where, key=self._key) from error
        return _reply(said)

    def _bound(self, request: Request, *, tools: bool, structured: bool) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with what this request offers and how long its reply may be."""
        limit = _limit(self._provider, request.most_tokens)
        answer = _function(ANSWER, str(request.schema.get("description", "")), request.schema)
        if tools:
            offered = [_function(tool.name, tool.says, tool.parameters) for tool in request.tools]
            return self._model.bind_tools([*offered, answer]).bind(**limit)
        if not structured:
            return self._model.bind(**limit)
        if self._provider == "openai":
            form = {"type": "json_schema", "json_schema": {"name": ANSWER, "schema": request.schema}}
            # Not as a parameter of its own: then the maker's package parses the answer, and raises where it is cut off.
            return self._model.bind(extra_body={"response_format": form}, **limit)
        if self._provider == "ollama":
            return self._model.bind(format=request.schema, **limit)
        return self._model.bind_tools([answer], tool_choice=ANSWER).bind(**limit)


def _limit(provider: str, tokens: int) -> dict[str, Any]:
    return {"options": {"num_predict": tokens}} if provider == "ollama" else {"max_tokens": tokens}


def _function(name: str, says: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in parameters.items() if key not in {"title", "description"}}
    return {"type": "function", "function": {"name": name, "description": says, "parameters": plain}}


def _messages(request: Request, *, schema_told: bool) -> list[BaseMessage]:
    from langchain_core.messages import HumanMessage

    found = [_message(one) for one in request.messages]
    if not schema_told:
        import json

        found.append(HumanMessage(f"Reply with nothing but JSON by this schema: {json.dumps(request.schema)}"))
    return found


def _message(message: Message) -> BaseMessage:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    if message.role == "system":
        return SystemMessage(message.text)
    if message.call is not None:
        return ToolMessage(message.text, tool_call_id=message.call.id, name=message.call.name)
    if message.reply is not None and isinstance(message.reply.raw, AIMessage):
        return message.reply.raw
    return HumanMessage(message.text)


def _reply(said: AIMessage) -> Reply:
    told = said.response_metadata
    end = str(told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason") or "").lower()
    usage = said.usage_metadata
    calls = [Call(id=call["id"] or "", name=call["name"], arguments=call["args"]) for call in said.tool_calls]
    calls += [Call(id=call["id"] or "", name=call["name"] or "", arguments=None) for call in said.invalid_tool_calls]
    return Reply(
        text=str(said.text),
        calls=tuple(calls),
        tokens_in=usage["input_tokens"] if usage else None,
        tokens_out=usage["output_tokens"] if usage else None,
        cut=end in _CUT,
        refused=end in _REFUSED or bool(said.additional_kwargs.get("refusal")),
        raw=said,
    )
