"""Secrets in texts: how they are recognised, and texts without them.

A secret is the value of an environment variable that a setting names; in a URL a password, a user without one, and
tokens in the query; a token of a well-known service; and what is assigned to a name such as `password`.
"""

import json
import re
import sys
from collections.abc import Callable
from typing import TextIO
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

STARS = "***"
"""What stands in the place of a secret."""
SHORTEST, LONG = 4, 8
"""Characters of a value that is hidden, and of one that is hidden within longer words, too."""
LONGEST_NAME = 60
"""Characters of a name that are looked at."""
VALUES: dict[str, str] = {}
"""Values of the environment that settings have named to this process, longest first, and what is shown for them."""

ENVIRONMENT = re.compile(r"\$\{oc\.(?:env|decode):(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
"""A part of a setting that an environment variable gives, such as `${oc.env:PASSWORD}`."""
WITH_DEFAULT = re.compile(r"oc\.env:[^,{}]+,\s*(?!null\s*\}|(?:''|\"\")\s*\}|\$\{)")
"""One whose default is written out."""
PLACEHOLDER = re.compile(r"\*+|…|\.\.\.|<[\w -]+>|\$?\{[\w.]+\}|%\(\w+\)s|%s|\[\w+\]|<.*>|[\w.]+\(.*")
"""What stands for a value in code or in a document, and the special tokens of language models (`[PAD]`, `</s>`)."""
NOUNS = (
    r"password|passwd|passphrase|secret|api[_-]?key|access[_-]?key(?:[_-]?id)?|(?:secret|private|account|auth)[_-]?key"
    r"|(?:security|session|access|auth|refresh|bearer|hub|api)[_-]?token"
)
"""Ends of names that are secrets wherever they stand."""
QUERY_NAME = rf"[\w.-]*(?:{NOUNS}|token|signature|credentials?|sslkey)|key|sig|auth|authorization|pwd|jwt"
KEY_END = rf"(?:{NOUNS}|(?<![a-z])(?:token|pwd|credentials?|authorization|cookie))"
"""Names of parameters of a URL, and ends of those of settings and variables, without regard to case."""
VOCABULARY = re.compile(r".*(?:pad|mask|cls|class|sep|eos|bos|sos|unk|start|end|stop|special|image)_?token", re.I)
"""Names that only look like secrets: of the special tokens of language models."""
PUBLIC = ("anon", "auto", "browser", "cache", "cloud", "default", "false", "google_default", "none", "null", "true")
"""Values of such names that are none, as of `token` in gcsfs."""

END = r"(?<![:,;.)\]])"
"""Marks of a sentence are no part of a secret."""
PART = rf"(?:{ENVIRONMENT.pattern}|(?!\$\{{oc\.)[^\s#'\"<>])"
"""A letter, or a whole `${oc.env:NAME}`, which has no other reading, so that no search goes back through many."""
USER_INFO = re.compile(
    rf"\b(?P<scheme>[a-z][a-z0-9+.-]{{,20}}):/{{1,2}}(?!/)"
    rf"(?P<user>(?:(?![/?]){PART})*"
    r"|[^\s/?#:@'\"\[]+:(?!\d+(?:[/?#]|$))[^\s'\"]*?)@",  # with a `/` in the password
    re.IGNORECASE,
)
QUERY = re.compile(rf"(?P<name>[?&;#](?P<key>{QUERY_NAME}))=(?P<value>(?:(?!&){PART})*){END}", re.I)
TOKEN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
    r"|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{35}|sk-[\w-]{20,}|dapi[0-9a-f]{32}|eyJ[\w-]{8,}\.eyJ[\w-]+\.[\w-]*)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\sA-Za-z0-9+/=\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
"""Tokens of Hugging Face, GitHub, GitLab, Slack, AWS, Google, OpenAI and Databricks, JSON web tokens, private keys."""
ASSIGNED = re.compile(
    rf"(?P<key>{KEY_END})(?P<sign>\s*=\s*|[\"']\s*:\s*|(?<=authorization):\s*|:\s*(?=[^\s,}}]+\s*[,}}]))"
    r"(?P<scheme>[\"']?(?:(?:basic|bearer|token) )?)"
    rf"(?P<value>(?:(?<=[\"'])[^\"'\n$]+|(?![,;&}})\]]){PART})+){END}",
    re.IGNORECASE,
)
"""`token=abc`, `"token": "abc"`, `{token: abc}`, `Authorization: Bearer abc`."""


def is_literal(text: str) -> bool:
    """Whether a text is written out: not empty, no placeholder, and not from an environment variable."""
    if found := ENVIRONMENT.findall(text):
        return any(WITH_DEFAULT.search(each) for each in found)
    return bool(text) and not PLACEHOLDER.fullmatch(text)


def is_secret_name(name: str) -> bool:
    """Whether the value of a setting of this name is a secret; `tokenizer`, `num_tokens` and `pad_token` are none."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(re.search(rf"{KEY_END}$", snake, re.IGNORECASE)) and not VOCABULARY.fullmatch(snake)


def is_secret_value(text: str) -> bool:
    """Whether the value of a secret's name is one."""
    return is_literal(text) and text.lower() not in PUBLIC


def replaced(text: str, by: Callable[[str], str]) -> str:
    """Replace the secrets of a text that are recognised by themselves: those of URLs, and of well-known services.

    Args:
        text: any.
        by: given what a secret is called (`user:password`, `token`, or a query's name), what takes its place.
    """

    def user_info(match: re.Match[str]) -> str:
        user, _, password = ENVIRONMENT.sub(lambda env: env[0].replace(":", "\0"), match["user"]).partition(":")
        secret = password or (user if match["scheme"].lower() in ("http", "https", "ftp") else "")
        if not is_literal(secret.replace("\0", ":")):
            return match[0]
        return f"{match[0][: match.start('user') - match.start()]}{by('user:password' if password else 'token')}@"

    def parameter(match: re.Match[str]) -> str:
        return f"{match['name']}={by(match['key'])}" if is_literal(match["value"]) else match[0]

    text = USER_INFO.sub(user_info, text) if "@" in text else text
    return TOKEN.sub(lambda _: by("token"), QUERY.sub(parameter, text))


def redacted(text: str) -> str:
    """The text with stars for the secrets that are recognised by themselves."""
    return replaced(text, lambda _: STARS)


def hidden(text: str) -> str:
    """The text without any secret, for what is shown or kept: what `redacted` finds, and all that this process knows.

    The value of an environment variable becomes what the setting says, such as `${oc.env:PASSWORD}`.
    """
    for value, shown in VALUES.items():
        if value in text:
            bounds = (r"(?<![^\W_])", r"(?![^\W_])") if len(value) < LONG else ("", "")
            text = re.sub(re.escape(value).join(bounds), shown.replace("\\", r"\\"), text)
    return ASSIGNED.sub(_assigned, redacted(text))


def _assigned(match: re.Match[str]) -> str:
    before = re.search(r"[\w-]*$", match.string[max(0, match.start() - LONGEST_NAME) : match.start()])
    name = f"{before[0] if before else ''}{match['key']}"
    if not is_secret_name(name) or not is_secret_value(match["value"]):
        return match[0]
    return f"{match['key']}{match['sign']}{match['scheme']}{STARS}"


def remember(value: str, shown: str) -> None:
    """Hide a value of the environment from now on, however it is quoted.

    Args:
        value: of the variable.
        shown: what the setting says in its place.
    """
    forms = {value, " ".join(value.split()), json.dumps(value)[1:-1], repr(value)[1:-1]}
    forms |= {form for each in (value, unquote(value)) for form in (each, quote(each), quote(each, safe=""))}
    forms |= {quote_plus(value), *_parts_of_url(value)}
    VALUES.update({form: shown for form in forms if len(form) >= SHORTEST})
    longest_first = sorted(VALUES.items(), key=lambda item: -len(item[0]))
    VALUES.clear()
    VALUES.update(longest_first)


def _parts_of_url(value: str) -> set[str]:
    """The parts of a URL that messages show alone: password, tokens, and the path with the query."""
    if "://" not in value:
        return set()
    try:
        parts = urlsplit(value)
    except ValueError:
        return set()
    tokens = {token for name, token in parse_qsl(parts.query) if re.fullmatch(QUERY_NAME, name, re.IGNORECASE)}
    user = parts.password or parts.username or ""
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return {user, unquote(user), *tokens, target if len(target) >= LONG else ""}


def hide_in_output() -> None:
    """Hide secrets in all that this process writes to the terminal from now on, tracebacks and logs included."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not getattr(stream, "hides_secrets", False):
            _hide_in(stream)


def _hide_in(stream: TextIO) -> None:
    """Replace the stream's own `write`: handlers of logging hold the stream itself, from before."""
    write = stream.write
    stream.write = lambda text: write(hidden(text)) and len(text)  # type: ignore[method-assign]
    stream.hides_secrets = True  # type: ignore[attr-defined]
