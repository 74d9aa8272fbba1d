"""What is learned: a file for each task, which holds everything about it.

A new task is a file with a subclass of `Task`, its name in `AnyTask`, and a file in `conf/train/task/`.
"""

from typing import get_args

from sprout.config.fields import known_name
from sprout.tasks.base import Task
from sprout.tasks.classify import Classify
from sprout.tasks.cluster import Cluster
from sprout.tasks.reconstruct import Reconstruct
from sprout.tasks.regress import Regress

AnyTask = Classify | Regress | Reconstruct | Cluster

TASKS: dict[str, type[Task]] = {task.name: task for task in get_args(AnyTask)}


__all__ = ["TASKS", "AnyTask", "Classify", "Cluster", "Reconstruct", "Regress", "task_named"]


def task_named(name: str) -> type[Task]:
    """The task of this name, as a model card holds it.

    Raises:
        UserError: there is no such task.
    """
    return TASKS[known_name("task", name, TASKS)]
