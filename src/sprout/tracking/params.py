"""Settings as MLflow takes them: one level of legal names and short texts."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sprout.core.tree import leaves

MAX_KEY = 250
MAX_PARAM = 6000  # characters; MLflow refuses longer ones
CUT = " … (cut; whole in config.yaml)"


def legal_key(text: str) -> str:
    """The nearest name that MLflow accepts for a param, metric or tag: other characters become `_`."""
    return re.sub(r"[^\w./ :-]", "_", text)[:MAX_KEY]


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one level with dotted keys; lists stay whole."""
    return {legal_key(key): value for key, value in leaves(config)}


def params_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The params of a config: text as it is, everything else as YAML writes it (`true`, `null`, `[1, 2]`)."""
    return {key: _param(value) for key, value in flatten(config).items()}


def _param(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_PARAM else text[: MAX_PARAM - len(CUT)] + CUT
