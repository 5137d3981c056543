"""Invents stack traces in the forms that interpreters print, and knows where each was raised."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from benchmarks.invented_logs import BEGIN
from devops_agent.model.telemetry import LogLine

LANGUAGES = ("python", "java", "go", "javascript")

_MODULES = ("orders", "carts", "users", "prices", "models", "sessions", "ledger", "stock")
_FUNCTIONS = ("load", "save", "price", "charge", "reserve", "render", "decode", "connect", "retry", "open_")
_MESSAGES = ("no such key", "12x is no number", "connection refused", "boom: twice", "", "a [b] (c) {d}", "Error 7")
_NAMES = {
    "python": ("ValueError", "KeyError", "shop.errors.OutOfStock", "sqlalchemy.exc.OperationalError", "OSError"),
    "java": ("java.lang.IllegalStateException", "java.lang.OutOfMemoryError", "com.shop.OutOfStockException"),
    "go": ("panic",),
    "javascript": ("TypeError", "RangeError", "Error", "PaymentDeclined", "AggregateError"),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an exception was raised in the program itself."""

    language: str
    exception: str
    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Crash:
    """A trace as it is printed, and the truth about it."""

    text: str
    place: Place


def invent(count: int, language: str, *, seed: int = 7) -> Iterator[Crash]:
    """Yield `count` traces of one language: plain, chained, innermost in the program or in a library that it calls."""
    draw = Random(f"{seed} {language}")  # noqa: S311 — invented traces need no secure randomness
    for _ in range(count):
        yield _WRITE[language](draw)


def as_lines(crashes: list[Crash], *, seed: int = 7) -> list[LogLine]:
    """Return the lines of crashes as a log store returns them: several containers at once, other threads between.

    A quarter of the traces is one line of JSON, the others have one line of log for each of their own.
    """
    draw = Random(seed)  # noqa: S311 — see above
    told: list[LogLine] = []
    for number, crash in enumerate(crashes):
        at = BEGIN + timedelta(milliseconds=700 * number)
        labels = {"container": f"{crash.place.language}-{number % 3}"}
        if draw.random() < 0.25:
            texts = [json.dumps({"level": "error", "message": "request failed", "stack_trace": crash.text})]
        else:
            texts = [f"{at:%Y-%m-%d %H:%M:%S},000 ERROR shop request failed", *crash.text.split("\n")]
            if draw.random() < 0.3 and len(texts) > 4:
                texts.insert(draw.randrange(3, len(texts)), f"{at:%Y-%m-%d %H:%M:%S},001 INFO shop another thread")
        told += [
            LogLine(at=at + timedelta(milliseconds=9 * line), text=text, labels=labels)
            for line, text in enumerate(texts)
        ]
    return sorted(told, key=lambda line: line.at)


def _place(draw: Random, language: str, file: str) -> Place:
    return Place(language=language, exception=draw.choice(_NAMES[language]), file=file, line=draw.randrange(1, 2_000))


def _python(draw: Random) -> Crash:
    place = _place(draw, "python", f"/app/shop/{draw.choice(_MODULES)}.py")
    cause = _python_block(draw, place, place.exception)
    if draw.random() < 0.6:
        return Crash(text=cause, place=place)
    other = _place(draw, "python", f"/app/shop/{draw.choice(_MODULES)}.py")
    if draw.random() < 0.5:
        link = "The above exception was the direct cause of the following exception:"
        return Crash(text=f"{cause}\n\n{link}\n\n{_python_block(draw, other, 'RuntimeError')}", place=place)
    link = "During handling of the above exception, another exception occurred:"
    return Crash(text=f"{_python_block(draw, other, 'KeyError')}\n\n{link}\n\n{cause}", place=place)


def _python_block(draw: Random, place: Place, exception: str) -> str:
    def frame(file: str, line: int) -> str:
        call = f"{draw.choice(_FUNCTIONS)}(one, other)"
        marks = f"\n    {'^' * len(call)}" if draw.random() < 0.5 else ""
        return f'  File "{file}", line {line}, in {draw.choice(_FUNCTIONS)}\n    {call}{marks}'

    library = draw.choice(
        ("/usr/local/lib/python3.11/site-packages/pandas/core/frame.py", "/usr/lib/python3.11/json/decoder.py")
    )
    outer = [frame(f"/app/shop/{draw.choice(_MODULES)}.py", draw.randrange(1, 900)) for _ in range(draw.randrange(6))]
    inner = [frame(library, draw.randrange(1, 900)) for _ in range(draw.choice((0, 0, 1, 4)))]
    message = draw.choice(_MESSAGES)
    end = f"{exception}: {message}" if message else exception
    return "\n".join(["Traceback (most recent call last):", *outer, frame(place.file, place.line), *inner, end])


def _java(draw: Random) -> Crash:
    module = draw.choice(_MODULES).title()
    place = _place(draw, "java", f"{module}.java")
    own = f"\tat com.shop.{module.lower()}.{module}.{draw.choice(_FUNCTIONS)}({place.file}:{place.line})"
    libraries = (
        "\tat java.base/java.util.ArrayList.get(ArrayList.java:427)",
        "\tat org.springframework.aop.framework.CglibAopProxy.intercept(CglibAopProxy.java:752) ~[spring-aop.jar:6.1]",
        "\tat jdk.internal.reflect.GeneratedMethodAccessor52.invoke(Unknown Source)",
    )
    inner = [draw.choice(libraries) for _ in range(draw.choice((0, 0, 1, 4)))]
    outer = [draw.choice(libraries) for _ in range(draw.randrange(1, 20))]
    frames = [*inner, own, *outer]
    message = draw.choice(_MESSAGES)
    said = f"{place.exception}: {message}" if message else place.exception
    if draw.random() < 0.6:
        return Crash(text="\n".join([said, *frames]), place=place)
    head = 'Exception in thread "worker-3" java.lang.RuntimeException: cannot go on'
    above = ["\tat com.shop.web.Web.handle(Web.java:30)", *outer]
    return Crash(text="\n".join([head, *above, f"Caused by: {said}", *frames[:-1], "\t... 12 more"]), place=place)


def _go(draw: Random) -> Crash:
    package = draw.choice(_MODULES)
    file = draw.choice((f"/src/{package}/{package}.go", f"github.com/acme/shop/{package}/{package}.go", "/app/main.go"))
    place = _place(draw, "go", file)
    own = f"github.com/acme/shop/{package}.(*Store).{draw.choice(_FUNCTIONS)}(0xc000114000, {{0x7d5d80, 0xc0}})"
    server = "net/http.HandlerFunc.ServeHTTP(0x0?, {0x7d?, 0x0?})\n\t/usr/local/go/src/net/http/server.go:2136 +0x29"
    chi = "/go/pkg/mod/github.com/go-chi/chi/v5@v5.0.10/mux.go:459 +0x1f5"
    module = f"github.com/go-chi/chi/v5.(*Mux).routeHTTP(0xc0)\n\t{chi}"
    frames = [f"{own}\n\t{place.file}:{place.line} +0x2b", *draw.choices((server, module), k=draw.randrange(1, 8))]
    inner = draw.choice(([], ["strings.Repeat(0x1, 0x2)\n\t/usr/local/go/src/strings/strings.go:558 +0x5"]))
    recovered = "panic({0x6b9b20?, 0xc0?})\n\t/usr/local/go/src/runtime/panic.go:920 +0x270"
    if draw.random() < 0.5:
        head = "2026/03/01 12:00:00 http: panic serving 10.0.0.9:51234: boom\ngoroutine 51 [running]:"
        above = [server, recovered]
    else:
        head = f"panic: {draw.choice(_MESSAGES)}\n\ngoroutine {draw.randrange(1, 99)} [running]:"
        above = []
    made = "created by net/http.(*Server).Serve in goroutine 1\n\t/usr/local/go/src/net/http/server.go:3086 +0x5cb"
    return Crash(text="\n".join([head, *above, *inner, *frames, made]), place=place)


def _javascript(draw: Random) -> Crash:
    module = draw.choice(_MODULES)
    file = draw.choice((f"/app/src/{module}.js", f"/app/dist/{module}.mjs", f"/srv/shop/{module}.ts"))
    place = _place(draw, "javascript", file)

    def frame(path: str, line: int) -> str:
        where = f"{path}:{line}:{draw.randrange(1, 80)}"
        name = draw.choice(
            (*_FUNCTIONS, "Object.<anonymous>", "async Promise.all", "new Cart", "Cart.add [as push]", "")
        )
        return f"    at {name} ({where})" if name else f"    at {where}"

    libraries = ("/app/node_modules/express/lib/router/layer.js", "node:internal/process/task_queues")
    inner = [frame(draw.choice(libraries), draw.randrange(1, 300)) for _ in range(draw.choice((0, 0, 1, 3)))]
    outer = [frame(draw.choice(libraries), draw.randrange(1, 300)) for _ in range(draw.randrange(6))]
    own = frame(f"file://{place.file}" if file.endswith("mjs") else place.file, place.line)
    said = f"{place.exception}: {draw.choice(_MESSAGES) or 'x'}"
    if draw.random() < 0.7:
        return Crash(text="\n".join([said, *inner, own, *outer]), place=place)
    head = ["Error: cannot go on", "    at handle (/app/src/web.js:30:5) {"]
    cause = [f"  {line}" for line in (*inner, own, *outer)]
    return Crash(text="\n".join([*head, f"  [cause]: {said}", *cause, "}"]), place=place)


_WRITE: dict[str, Callable[[Random], Crash]] = {
    "python": _python,
    "java": _java,
    "go": _go,
    "javascript": _javascript,
}
