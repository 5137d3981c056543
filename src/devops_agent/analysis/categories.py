"""Says how bad a line is and what kind of trouble it tells of, by a table of words."""

import re

ERROR = "error"

_LEVELS = {
    "debug": ("trace", "debug", "verbose", "d", "t", "10", "20"),
    "info": ("info", "information", "informational", "notice", "log", "i", "30"),
    "warning": ("warn", "warning", "w", "40"),
    ERROR: (
        *("error", "err", "e", "crit", "critical", "fatal", "f", "panic", "emerg", "emergency", "alert", "severe"),
        *("50", "60"),
    ),
}
"""Words of syslog, Python, Java, klog; numbers of pino and bunyan, the only ones that write numbers into JSON."""
_LEVEL_OF = {word: level for level, words in _LEVELS.items() for word in words}

CATEGORIES: dict[str, tuple[str, ...]] = {
    "memory": (
        *("out of memory", "outofmemory", "memoryerror", "oom", "oomkilled", "cannot allocate memory"),
        *("heap space", "heap limit", "gc overhead", "bad_alloc", "memory limit", "maxmemory"),
    ),
    "disk": (
        *("no space left", "enospc", "disk full", "disk quota", "edquot", "read-only file system", "erofs"),
        *("i/o error", "input/output error", "disk usage exceeded", "filesystem full"),
    ),
    "limit": (
        *("too many open files", "emfile", "too many requests", "rate limit", "ratelimit", "throttled", "throttling"),
        *("quota exceeded", "resource exhausted", "too many connections", "too many clients", "pool exhausted"),
    ),
    "certificate": (
        *("certificate", "x509", "ssl handshake", "tls handshake", "sslerror", "sslhandshakeexception", "cert_"),
    ),
    "authentication": (
        *("unauthorized", "unauthenticated", "authentication", "permission denied", "access denied", "forbidden"),
        *("invalid token", "token expired", "invalid credentials", "login failed", "eacces", "invalid api key"),
        *("http-401", "http-403", "permissionerror", "accessdenied", "invalid password"),
    ),
    "timeout": (
        *("timed out", "timeout", "deadline exceeded", "etimedout", "timeouterror", "timeoutexception", "http-504"),
    ),
    "database": (
        *("deadlock", "sqlstate", "duplicate key", "constraint", "could not serialize", "database is locked"),
        *("sql syntax", "operationalerror", "integrityerror", "programmingerror", "sqlexception"),
        *("query failed", "migration failed", "rolled back"),
    ),
    "connection": (
        *("connection refused", "connection reset", "econnrefused", "econnreset", "broken pipe", "epipe"),
        *("unreachable", "enetunreach", "ehostunreach", "no route to host", "name resolution", "enotfound"),
        *("no such host", "connection closed", "connection aborted", "connectionerror", "connectexception"),
        *("could not connect", "cannot connect", "failed to connect", "unable to connect", "connection to"),
        *("name or service not known", "getaddrinfo", "unknownhostexception", "max retries exceeded", "socket"),
        *("connection failed", "lost connection", "disconnected"),
    ),
    "dependency": (
        *("bad gateway", "service unavailable", "upstream", "http-502", "http-503", "circuit breaker", "not available"),
        *("backend", "downstream", "dependency"),
    ),
    "configuration": (
        *("configuration", "config", "environment variable", "no such file or directory", "filenotfounderror"),
        *("modulenotfounderror", "importerror", "no module named", "classnotfoundexception", "cannot find module"),
        *("missing required", "invalid option", "unknown option", "keyerror", "address already in use", "eaddrinuse"),
        *("enoent", "not configured"),
    ),
    "crash": (
        *("segmentation fault", "sigsegv", "core dumped", "panic", "fatal error", "aborted", "stack overflow"),
        *("stackoverflowerror", "recursionerror", "assertion failed", "nil pointer", "exited with code"),
    ),
}
"""Category to words that speak for it, in lower case; the first category with a word in the text holds."""

_WORDS = {
    category: re.compile("|".join(rf"\b{re.escape(word)}" for word in words)) for category, words in CATEGORIES.items()
}
_ANY = re.compile("|".join(rf"\b{re.escape(word)}" for words in CATEGORIES.values() for word in words))
_WRONG = re.compile(
    r"\b(?:error|exception|fatal|panic|traceback|failed|failure|critical|uncaught|unhandled)|\b\w+exception\b"
)
_NOTHING_WRONG = re.compile(
    r"\b(?:no|0|zero|without(?: any)?) (?:errors?|exceptions?|failures?|failed)\b"
    r"|\b(?:errors?|failed|failures?)[=:] ?(?:0|none|null)\b"
)


def level_of(value: object) -> str:
    """Return `debug`, `info`, `warning` or `error` for a level as programs write it; empty when it is none."""
    if isinstance(value, str):
        return _LEVEL_OF.get(value.lower(), "") if len(value) <= 13 else ""  # noqa: PLR2004 — no level's name is longer
    return _LEVEL_OF.get(str(value), "") if isinstance(value, int) and 0 <= value < 100 else ""  # noqa: PLR2004 — see table


def is_error(message: str, level: str) -> bool:
    """Return whether a line tells of an error: by its level, and only without one by its words."""
    if level:
        return level == ERROR
    text = message.lower()
    if not _WRONG.search(text):
        return False
    return _WRONG.search(_NOTHING_WRONG.sub("", text)) is not None


def category_of(message: str, *, error: bool) -> str:
    """Return the kind of trouble that a line tells of; `error` when it is one of no known kind."""
    text = message.lower()
    if _ANY.search(text):
        for category, words in _WORDS.items():
            if words.search(text):
                return category
    return ERROR if error else ""
