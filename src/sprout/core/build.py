"""A build: what one composed config makes."""

import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Build:
    """One composed config, as `build/config.yaml` holds it."""

    config_text: str
    """The file's text."""
    config: dict[str, Any]
    """The same, as nested dictionaries."""

    @property
    def name(self) -> str:
        """12 hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.config_text.encode()).hexdigest()[:12]

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str(self.config["experiment"])
