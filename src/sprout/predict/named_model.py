"""From the name of a model on the command line to its folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sprout.config.pretrained import STORED


@contextmanager
def model_folder(name: str) -> Iterator[Path]:
    """Yield the model folder of a name, which is a path, or a model of the tracking store.

    A line on standard error says which model an address such as `models:/digits@champion` stands for.

    Raises:
        UserError: there is no such model in the store.
    """
    if not name.startswith(STORED):
        yield Path(name)
        return
    from sprout.tracking.registry.stored import stored_model  # here, as it imports MLflow, which takes seconds

    with stored_model(name) as (folder, stored):
        print(f"{name} is {stored.name}", file=sys.stderr)
        yield folder
