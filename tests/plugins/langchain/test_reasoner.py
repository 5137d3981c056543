"""Models of three makers, over real HTTP through LangChain's own packages, under one contract."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from devops_agent.kit.testing import tools
from devops_agent.kit.testing.reasoner import Turn
from devops_agent.kit.testing.reasoner_contract import BUDGET, DISK, PROMPT, Make, ReasonerContract, Shelf, logs
from devops_agent.kit.tools import SettingsError
from devops_agent.model.reasoning import Completion, Ended
from devops_agent.plugins.langchain.reasoner import LangchainReasoner, build
from devops_agent.ports import Reasoner
from tests.plugins.langchain.serving import Asked, ModelServer, SocketClock, model_server

KEY = "sk-abc123secret"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@pytest.fixture
async def clock() -> SocketClock:
    return SocketClock()


@pytest.fixture
def time_is_up(clock: SocketClock) -> Callable[[], None]:
    return clock.over.set


class Provider(ReasonerContract):
    """The contract over one maker's interface."""

    name: str
    path = ""

    @pytest.fixture
    def make(self, server: ModelServer, clock: SocketClock, tmp_path: Path) -> Make:
        def build_it(*turns: Turn, input_price: float = 0.0, output_price: float = 0.0) -> LangchainReasoner:
            server.turns, server.hangs = turns, clock.over.set
            server.asked.clear()
            config = {
                "name": self.name,
                "base_url": server.url + self.path,
                "key_file": "/key",
                "input_price": input_price,
                "output_price": output_price,
            }
            return build(config, tools=tools(tmp_path, clock=clock, secrets={"/key": KEY}))

        return build_it


class TestOpenAI(Provider):
    """OpenAI's own interface, which most servers speak."""

    name = "openai:gpt-test"
    path = "/v1"

    async def test_key_and_limit_are_sent_and_answers_are_asked_for_by_schema(
        self, make: Make, server: ModelServer
    ) -> None:
        await complete(make(DISK))
        (asked,) = server.asked
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.body["max_completion_tokens"] == 4_000
        assert asked.body["response_format"]["json_schema"]["schema"]["required"] == ["cause"]

    async def test_tools_are_offered_with_one_to_answer_by(self, make: Make, server: ModelServer) -> None:
        await complete(make(logs(), DISK), Shelf())
        assert [tool["function"]["name"] for tool in server.asked[0].body["tools"]] == ["logs", "answer"]
        roles = [message["role"] for message in server.asked[1].body["messages"]]
        assert roles == ["system", "user", "assistant", "tool"]
        assert "3 × disk full" in server.asked[1].body["messages"][-1]["content"]

    async def test_a_server_that_knows_no_tools_is_asked_without(self, make: Make, server: ModelServer) -> None:
        model = make(DISK)
        server.refuses = lambda asked: Turn(status=400) if "tools" in asked.body else None
        assert (await complete(model, Shelf())).ended is Ended.ANSWERED
        assert ["tools" in asked.body for asked in server.asked] == [True, False]

    async def test_a_server_that_knows_no_schemas_is_told_the_schema(self, make: Make, server: ModelServer) -> None:
        def refuse(asked: Asked) -> Turn | None:
            return Turn(status=400) if "response_format" in asked.body or "tools" in asked.body else None

        model = make(DISK)
        server.refuses = refuse
        assert (await complete(model, Shelf())).ended is Ended.ANSWERED
        assert '"cause"' in server.asked[-1].body["messages"][-1]["content"]

    async def test_the_key_is_in_no_word_about_a_failure(self, make: Make) -> None:
        for status in (400, 401, 418, 429, 500):
            done = await complete(make(Turn(status=status)))
            assert done.ended is Ended.FAILED
            assert KEY not in done.says

    async def test_a_spent_quota_is_not_asked_for_again(self, make: Make, server: ModelServer) -> None:
        done = await complete(make(Turn(status=429, text="insufficient_quota")))
        assert (done.ended, len(server.asked)) == (Ended.FAILED, 1)
        assert "quota" in done.says

    @pytest.mark.parametrize("raw", [b"", b"<html>", b"null", b"[]", b"{}", b'{"choices": null}', b'{"choices": [7]}'])
    async def test_an_answer_that_is_no_chat_at_all_is_told_of_and_no_error(
        self, make: Make, server: ModelServer, raw: bytes
    ) -> None:
        model = make(DISK)
        server.raw = raw
        done = await complete(model)
        assert done.ended in (Ended.FAILED, Ended.UNREADABLE)
        assert done.says

    async def test_half_a_character_is_no_error(self, make: Make) -> None:
        assert (await complete(make(Turn(text="\ud800")))).ended is Ended.FAILED

    async def test_nothing_is_traced_whatever_the_environment_says(
        self, make: Make, server: ModelServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
            monkeypatch.setenv(name, "true")
        monkeypatch.setenv("LANGSMITH_API_KEY", "traced")
        async with model_server() as tracer:
            tracer.turns = (DISK,)
            monkeypatch.setenv("LANGSMITH_ENDPOINT", tracer.url)
            await complete(make(logs(), DISK), Shelf())
            assert tracer.asked == []
        assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}


@pytest.mark.slow
class TestAnthropic(Provider):
    """Anthropic's interface."""

    name = "anthropic:claude-test"

    async def test_key_and_limit_are_sent_and_the_answer_is_a_forced_call(
        self, make: Make, server: ModelServer
    ) -> None:
        await complete(make(Turn(calls=(("answer", {"cause": "disk"}),))))
        (asked,) = server.asked
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.body["max_tokens"] == 4_000
        assert asked.body["tool_choice"]["name"] == "answer"


@pytest.mark.slow
class TestOllama(Provider):
    """Ollama's interface."""

    name = "ollama:llama-test"

    async def test_the_limit_is_sent_and_answers_are_asked_for_by_schema(self, make: Make, server: ModelServer) -> None:
        await complete(make(DISK))
        (asked,) = server.asked
        assert asked.body["options"]["num_predict"] == 4_000
        assert asked.body["format"]["required"] == ["cause"]


async def complete(reasoner: Reasoner, *shelves: Shelf) -> Completion:
    return await reasoner.complete(PROMPT, tools=[shelf.tool for shelf in shelves], budget=BUDGET)


async def test_a_server_that_is_not_there_is_told_of_by_its_place(clock: SocketClock, tmp_path: Path) -> None:
    async with model_server() as gone:
        url = gone.url
    for name in ("openai:m", "ollama:m"):
        model = build({"name": name, "base_url": url}, tools=tools(tmp_path, clock=clock))
        done = await complete(model)
        assert done.ended is Ended.FAILED
        assert done.says.startswith(f"cannot reach {url.removeprefix('http://')}: ")


async def test_a_package_that_is_missing_is_named_with_the_way_to_install_it(
    clock: SocketClock, tmp_path: Path
) -> None:
    model = build({"name": "mistralai:m", "base_url": "http://127.0.0.1:9"}, tools=tools(tmp_path, clock=clock))
    done = await complete(model)
    assert done.ended is Ended.FAILED
    assert "pip install 'devops-ai-agent[ai]'" in done.says
    assert "langchain-mistralai" in done.says


async def test_a_provider_that_nobody_knows_fails_and_is_no_error(clock: SocketClock, tmp_path: Path) -> None:
    model = build({"name": "oracle:delphi", "base_url": "http://127.0.0.1:9"}, tools=tools(tmp_path, clock=clock))
    assert (await complete(model)).ended is Ended.FAILED


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"name": "gpt-4o-mini"}, "investigation.model.name: 'gpt-4o-mini' is no model; write PROVIDER:MODEL"),
        ({"name": "openai:gpt"}, "investigation.model.key_file: openai:gpt needs a key"),
        ({"name": "openai:gpt", "key_file": "/no"}, "investigation.model.key_file: cannot read the secret file /no"),
        ({"name": "openai:gpt", "temper": 1}, "investigation.model: "),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_way_out(
    config: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        build(config, tools=tools(tmp_path))
    assert str(refused.value).startswith(says)


@pytest.mark.slow
def test_langchain_is_loaded_only_when_a_model_is_asked() -> None:
    code = (
        "import sys, json; import devops_agent.plugins.langchain.reasoner;"
        "print(json.dumps([name for name in sys.modules if name.startswith(('langchain_', 'langsmith', 'openai'))]))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert json.loads(loaded) == []
