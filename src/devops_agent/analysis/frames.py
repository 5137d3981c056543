"""Reads one stack trace of Python, Java, Go or JavaScript: what was raised, and the program's own innermost frame.

In a chain, the cause is told: Python's "direct cause", Java's last "Caused by", JavaScript's `[cause]`, the first leaf
of an exception group. An exception raised "during handling" of another is told itself: the handled one was expected.
Where the cause was raised among libraries only, the place is the innermost frame of the program further out.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_LONGEST_MESSAGE = 500
_GROUP = "ExceptionGroup"


class Frame(NamedTuple):
    """A place in code."""

    file: str
    line: int
    function: str
    library: bool


class Raised(NamedTuple):
    """What a stack trace tells."""

    language: str
    exception: str
    message: str
    file: str = ""
    line: int = 0
    function: str = ""


class _Block(NamedTuple):
    """One exception of a chain with its frames, innermost first."""

    exception: str
    message: str
    frames: list[Frame]


def raised(language: str, blocks: Sequence[_Block], chosen: int) -> Raised | None:
    """Return the chosen exception of a chain (outermost last) with its innermost own frame, or that of one around."""
    if not blocks:
        return None
    around = [frame for block in blocks[chosen:] for frame in block.frames]
    inside = [frame for block in reversed(blocks[:chosen]) for frame in block.frames]
    frames = around + inside
    place = next((frame for frame in frames if not frame.library), frames[0] if frames else None)
    block = blocks[chosen]
    message = block.message
    last = blocks[-1]
    if last is not block and last.message and not last.exception.endswith(_GROUP):
        message = f"{message}; led to {last.exception}: {last.message}"
    found = (place.file, place.line, place.function) if place else ("", 0, "")
    return Raised(language, block.exception, message[:_LONGEST_MESSAGE], *found)


# Python

PYTHON_BEGINS = "Traceback (most recent call last):"
_PYTHON_FRAME = re.compile(r'\s*File "([^"]+)", line (\d{1,9})(?:, in (.+))?')
PYTHON_RAISED = re.compile(r"([^\W\d][\w.]*)(?::\s?(.*)|$)")
_PYTHON_LIBRARY = re.compile(
    r"(?:site|dist)-packages/|/lib(?:64)?/(?:python|pypy)[\d.]*/|/python\d+/lib/|^<", re.IGNORECASE
)
PYTHON_LINK = re.compile(r"(?:During handling of the above exception|The above exception was the direct cause)")
PYTHON_GROUP = re.compile(r"\s*\+ Exception Group Traceback")
PYTHON_GROUP_PART = re.compile(r"\s*\+[-+ ]*-(?: (?:\d+|\.\.\.) -+)?$")
_PYTHON_GROUP_BAR = re.compile(r"\s*[|+] ")


def python(lines: Sequence[str]) -> Raised | None:
    """Read a traceback as CPython prints it, with chains and exception groups."""
    outer: list[_Block] = []
    found: list[_Block] = []
    chosen = 0
    for part in _python_parts(lines):
        blocks, root = _python_chain(part)
        if not blocks:
            continue
        outer = [*reversed(found), *outer]
        found, chosen = blocks, root
        if not blocks[-1].exception.endswith(_GROUP):
            break
    return raised("python", [*found, *outer], chosen)


def _python_parts(lines: Sequence[str]) -> list[list[str]]:
    """Return the lines of each exception group and of its members, without their bars."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if PYTHON_GROUP_PART.match(line):
            parts.append([])
        else:
            parts[-1].append(_PYTHON_GROUP_BAR.sub("", line, count=1))
    return parts


def _python_chain(lines: Sequence[str]) -> tuple[list[_Block], int]:
    """Return the exceptions of a chain, first raised first, and the place in it of the one to tell."""
    blocks: list[_Block] = []
    frames: list[Frame] = []
    root = 0
    link = ""
    for line in lines:
        frame = _PYTHON_FRAME.match(line)
        if frame is not None:
            file = frame[1].replace("\\", "/")
            library = _PYTHON_LIBRARY.search(file) is not None
            frames.insert(0, Frame(frame[1], int(frame[2]), (frame[3] or "").strip(), library))
        elif PYTHON_LINK.match(line):
            link = line
        elif PYTHON_BEGINS in line:
            frames = []
        elif (frames or not blocks) and (end := PYTHON_RAISED.fullmatch(line.rstrip())):
            blocks.append(_Block(end[1], end[2] or "", frames))
            root = len(blocks) - 1 if link.startswith("During") else root
            frames, link = [], ""
    return blocks, root


# Java and other languages of its machine

_JAVA_PLACE = re.compile(
    r"[\w$-]+\.(?:java|kt|kts|scala|groovy|clj)(?::(\d{1,9}))?$|Native Method$|Unknown Source$|<generated>$"
)
_JAVA_LIBRARIES = (
    *(
        "java.",
        "javax.",
        "jakarta.",
        "jdk.",
        "sun.",
        "com.sun.",
        "kotlin.",
        "kotlinx.",
        "scala.",
        "groovy.",
        "clojure.",
    ),
    *(
        "org.springframework.",
        "org.apache.",
        "org.hibernate.",
        "org.eclipse.",
        "org.jboss.",
        "org.glassfish.",
        "org.junit.",
    ),
    *(
        "org.postgresql.",
        "org.slf4j.",
        "org.aspectj.",
        "org.codehaus.",
        "org.mongodb.",
        "org.redisson.",
        "org.elasticsearch.",
    ),
    *("com.fasterxml.", "com.google.common.", "com.google.inject.", "com.google.gson.", "com.mysql.", "com.mongodb."),
    *("com.zaxxer.", "com.netflix.", "com.squareup.", "com.rabbitmq.", "com.amazonaws.", "ch.qos.", "feign.", "akka."),
    *(
        "io.netty.",
        "io.grpc.",
        "io.vertx.",
        "io.undertow.",
        "io.reactivex.",
        "io.micrometer.",
        "io.lettuce.",
        "io.ktor.",
    ),
    *(
        "okhttp3.",
        "okio.",
        "oracle.",
        "reactor.",
        "redis.clients.",
        "retrofit2.",
        "rx.",
        "software.amazon.",
        "io.quarkus.",
    ),
    *("io.opentelemetry.", "io.micronaut.", "net.bytebuddy.", "net.sf.cglib.", "lombok.", "org.quartz."),
)
CAUSED_BY = re.compile(r"\s*(?:Caused by: |\[cause\]: )")
RAISED_NAME = re.compile(r"(?<![\w.$])([\w.$]+)(?: \[\w+\])?(?::\s|:?$)")
"""A name that an exception may have, where its message or the end of the line follows."""

_CLASS = re.compile(r"(?:[\w$]+\.){0,20}[A-Z]\w*[a-z]\w*")


def java_frame(line: str) -> Frame | None:
    """Read `at com.shop.Orders.place(Orders.java:42)`, with or without a module and a jar; None for other lines."""
    text = line.strip()
    if not text.startswith("at "):
        return None
    name, _, rest = text[3:].partition("(")
    place = _JAVA_PLACE.match(rest.partition(")")[0])
    if place is None or not name:
        return None
    function = name.rpartition("/")[2]
    library = function.startswith(_JAVA_LIBRARIES) or not place[1] or "$$" in function.rpartition(".")[0]
    return Frame(place[0].partition(":")[0], int(place[1] or 0), function, library)


def java(lines: Sequence[str], head: str) -> Raised | None:
    """Read the frames under `head`, and those under each "Caused by"; suppressed exceptions are not causes."""
    blocks = [_headed(head)]
    skipping = False
    for line in lines:
        if line.lstrip().startswith("Suppressed: "):
            skipping = True
        elif line.startswith("Caused by: "):
            skipping = False
            blocks.insert(0, _headed(line[11:]))
        elif not skipping and (frame := java_frame(line)):
            blocks[0].frames.append(frame)
    return raised("java", blocks, 0)


def _headed(text: str) -> _Block:
    """Return the exception that a line names: the first name that sounds like one, else the first like a class's."""
    names = list(RAISED_NAME.finditer(text[:1_000]))
    classes = (one for one in names if _CLASS.fullmatch(one[1]))
    found = next((one for one in names if sounds_raised(one[1])), next(classes, None))
    if found is None:
        return _Block("", text.strip(), [])
    return _Block(found[1], text[found.end() :].strip(), [])


def begins_with_class(text: str) -> bool:
    """Return whether a line begins as the first line of an exception does."""
    name = RAISED_NAME.match(text)
    if name is None:
        return text.startswith("Exception in thread ")
    return sounds_raised(name[1]) or _CLASS.fullmatch(name[1]) is not None


def sounds_raised(name: str) -> bool:
    """Return whether a name is one that exceptions have."""
    return name.endswith(("Exception", "Error", "Throwable", "Failure", "Fault")) or "Exception" in name


# JavaScript

_SCRIPT_LIBRARY = re.compile(
    r"(?:^|/)node_modules/|^node:|^internal/|^native$|<anonymous>|webpack/(?:runtime|bootstrap)|^index \d"
)


def javascript_frame(line: str) -> Frame | None:
    """Read `at fn (file:line:column)` or `at file:line:column`; None for other lines."""
    text = line.strip().rstrip("{ ")
    if not text.startswith("at "):
        return None
    function, _, place = text[3:-1].rpartition(" (") if text.endswith(")") else ("", "", text[3:])
    file, *numbers = place.removeprefix("async ").rsplit(":", 2)
    if len(numbers) != 2 or not all(number.isdecimal() and len(number) < 10 for number in numbers):  # noqa: PLR2004 — line, column
        return None
    file = file.removeprefix("file://")
    function = function.removeprefix("async ").removeprefix("new ").partition(" [as ")[0]
    return Frame(file, int(numbers[0]), function, _SCRIPT_LIBRARY.search(file) is not None)


def javascript(lines: Sequence[str], head: str) -> Raised | None:
    """Read V8's `stack` under `head`, with the causes that Node prints."""
    blocks = [_headed(head)]
    for line in lines:
        cause = CAUSED_BY.match(line)
        if cause is not None:
            blocks.insert(0, _headed(line[cause.end() :].rstrip("{ ")))
        elif frame := javascript_frame(line):
            blocks[0].frames.append(frame)
    return raised("javascript", blocks, 0)


# Go

GO_BEGINS = re.compile(r"(?:.{0,60}\bhttp: panic serving \S+: |panic:(?: |$)|fatal error: |goroutine \d+ \[)")
_GO_PLACE = re.compile(r"\s+(\S.*?\.(?:go|s)):(\d{1,9})(?: \+0x[0-9a-f]+)?\s*$")
_GO_MODULE = re.compile(r"/pkg/mod/|/vendor/|@v\d")
_GO_STANDARD = frozenset(
    [
        "archive",
        "bufio",
        "bytes",
        "cmp",
        "compress",
        "container",
        "context",
        "crypto",
        "database",
        "debug",
        "embed",
        "encoding",
        "errors",
        "expvar",
        "flag",
        "fmt",
        "go",
        "hash",
        "html",
        "image",
        "index",
        "internal",
        "io",
        "iter",
        "log",
        "maps",
        "math",
        "mime",
        "net",
        "os",
        "path",
        "plugin",
        "reflect",
        "regexp",
        "runtime",
        "slices",
        "sort",
        "strconv",
        "strings",
        "structs",
        "sync",
        "syscall",
        "testing",
        "text",
        "time",
        "unicode",
        "unique",
        "unsafe",
        "vendor",
        "weak",
    ]
)
"""First parts of the standard library's packages: https://pkg.go.dev/std."""
_GO_RECOVERED = " [recovered]"


def go(lines: Sequence[str], told: str = "") -> Raised | None:
    """Read a panic and the frames of its first goroutine; `told` is the message where the lines hold none.

    Frames above the last `panic(...)` are those of functions that recovered, not of the one that failed.
    """
    exception, message = _go_head(lines, told)
    frames: list[Frame] = []
    function = ""
    goroutines = 0
    for line in lines:
        goroutines += line.startswith("goroutine ")
        place = _GO_PLACE.match(line) if line[:1] in {"\t", " "} else None
        if goroutines > 1:
            break
        if place is not None and function:
            name = function.rpartition("(")[0] if function.endswith(")") else function
            if name in {"panic", "runtime.gopanic"}:
                frames.clear()
            elif not name.startswith("created by "):
                frames.append(Frame(place[1], int(place[2]), name, _is_go_library(place[1], name)))
            function = ""
        else:
            function = line.strip()
    return raised("go", [_Block(exception, message, frames)], 0) if frames else None


def _go_head(lines: Sequence[str], told: str) -> tuple[str, str]:
    head = next((line for line in lines if (begin := GO_BEGINS.match(line)) and not line.startswith("goroutine")), "")
    begin = GO_BEGINS.match(head)
    message = head[begin.end() :].strip() if begin else told
    message = message.partition(_GO_RECOVERED)[0]
    if message.startswith("runtime error: "):
        return "runtime error", message.removeprefix("runtime error: ")
    return ("fatal error" if head.startswith("fatal error") else "panic" if begin or not told else "error"), message


def _is_go_library(file: str, function: str) -> bool:
    folder, _, name = function.rpartition("/")
    package = f"{folder}/{name.partition('.')[0]}".lstrip("/")
    return package.partition("/")[0] in _GO_STANDARD or _GO_MODULE.search(file.replace("\\", "/")) is not None
