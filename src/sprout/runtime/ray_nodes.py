"""A training by several machines of a Ray cluster: on each, an actor runs torchrun, as a person would by hand.

Where a machine or a process is lost, all processes end, and the training resumes from its last checkpoint.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

from sprout.runtime.cluster_environment import portable_environment
from sprout.runtime.cpu_kernels import own_kernels
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.launch import KILLED
from sprout.runtime.ray_compute import check_machines
from sprout.runtime.ray_node import Ended, Node
from sprout.runtime.ray_tasks import connection

RESTARTS = 3
"""How often a training resumes after a machine or a process was lost."""
END_SECONDS = 60.0
"""Time for the processes to write their checkpoint and end."""
SETTLE_SECONDS = 10.0
"""Time for the other machines to notice that one was lost."""
SOON_SECONDS, SAY_SECONDS = 2.0, 30.0
"""Until it is said that there are no free machines, and until it is said again."""
POLL_SECONDS = 1  # of Ray's functions, which take whole ones


def lost(error: Exception) -> Ended:
    """How a machine ended of which Ray reports an error."""
    return Ended(KILLED, why=one_line(error)[:200])


def run_nodes(address: str, nodes: int, devices: int, command: Sequence[str]) -> int:
    """Run a Python command once per device of several machines; return its exit code.

    Args:
        address: of the cluster.
        nodes: how many machines.
        devices: processes on each.
        command: the script, or `-m` and the module, with its arguments.

    Returns:
        the largest one of the machines; 1, after a line that says so, where machines or processes were lost too often.

    Raises:
        UserError: a rank raised it, there is no such cluster, or the CPUs of its machines would compute other bits.
        Killed: a signal asked this process to end; all processes have ended.
    """
    with connection(address) as ray:
        gpus = devices if ray.cluster_resources().get("GPU", 0) >= nodes * devices else 0
        for left in reversed(range(RESTARTS + 1)):
            # The threads end with the machines, before the connection does.
            with ThreadPoolExecutor(nodes) as threads, machines(ray, nodes, devices, gpus) as actors:
                if not gpus:
                    check_actors(ray, actors)
                ended = Training(ray, actors, threads).run(devices, command)
            if mistake := next((each.mistake for each in ended if each.mistake), None):
                raise UserError(mistake)
            if not any(each.lost for each in ended):
                return max(each.code for each in ended)
            why = next((f" ({each.why})" for each in ended if each.why), "")
            print(f"a machine or a process of the training was lost{why}", file=sys.stderr)
            if left:
                number = RESTARTS - left + 1
                print(f"it resumes from its last checkpoint ({number} of {RESTARTS} times)", file=sys.stderr)
    print(f"error: lost {RESTARTS + 1} times; the same command resumes from the last checkpoint", file=sys.stderr)
    return 1


@contextmanager
def machines(ray: Any, nodes: int, devices: int, gpus: int) -> Iterator[list[Any]]:
    """Reserve machines, and start an actor on each; says so while none are free. They are free again at the end."""
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": devices} | ({"GPU": gpus} if gpus else {})] * nodes, strategy="STRICT_SPREAD")
    try:
        to_say = SOON_SECONDS
        while not group.wait(POLL_SECONDS):
            to_say -= POLL_SECONDS
            if to_say <= 0:
                what = f"{devices} free {'GPU' if gpus else 'CPU'}{'s' if devices > 1 else ''}"
                print(f"waiting for {nodes} machines of the cluster with {what} each", file=sys.stderr)
                to_say = SAY_SECONDS
        actor = ray.remote(num_cpus=devices, num_gpus=gpus, max_concurrency=2)(Node)
        places = [PlacementGroupSchedulingStrategy(group, number) for number in range(nodes)]
        yield [actor.options(scheduling_strategy=place).remote() for place in places]
    finally:
        remove_placement_group(group)  # with it Ray ends the actors, and with them their processes


def check_actors(ray: Any, actors: list[Any]) -> None:
    """Check that the machines of a training on CPUs compute the same bits as this one; a lost one is found out later.

    Raises:
        UserError: they do not.
    """
    try:
        nodes = [actor.place.remote().future().result() for actor in actors]
    except ray.exceptions.RayError:
        return
    check_machines(ray, nodes, own_kernels())


@dataclass
class Training:
    """One attempt at a training."""

    ray: Any
    actors: list[Any]
    threads: ThreadPoolExecutor
    """One for each actor."""
    said: "Queue[tuple[int, str | Ended]]" = field(default_factory=Queue)
    """What the machines say, by number."""
    ended: dict[int, Ended] = field(default_factory=dict)

    def run(self, devices: int, command: Sequence[str]) -> list[Ended]:
        """Run it; print what the first machine prints, and of the others what follows after an error.

        Raises:
            Killed: a signal asked this process to end; all processes have ended.
        """
        try:
            master, port = self.actors[0].address.remote().future().result()
        except self.ray.exceptions.RayError as error:
            return [lost(error)]
        shared = [f"--nnodes={len(self.actors)}", f"--nproc-per-node={devices}", f"--master-addr={master}"]
        for number, actor in enumerate(self.actors):
            torchrun = [*shared, f"--master-port={port}", f"--node-rank={number}"]
            lines = actor.run.options(num_returns="streaming").remote(
                torchrun, list(command), portable_environment(), os.getcwd()
            )
            self.threads.submit(self.follow, number, lines)
        try:
            self.wait(None)
        except BaseException as error:
            self.stop(getattr(error, "signum", signal.SIGTERM))
            raise
        return list(self.ended.values())

    def follow(self, number: int, lines: Any) -> None:
        """Hand on what a machine says, to its end, whatever that is; in a thread of its own."""
        try:
            for line in lines:
                self.said.put((number, self.ray.get(line)))
        except self.ray.exceptions.RayTaskError as error:  # a fault of `Node`, no loss
            self.said.put((number, Ended(1, f"machine {number + 1}: {type(error.cause).__name__}: {error.cause}")))
        except Exception as error:  # also what is no error of Ray's: `wait` waits for this machine
            self.said.put((number, lost(error)))

    def wait(self, seconds: float | None) -> None:
        """Wait until all machines have ended, but not much longer than the first that fails; or so many seconds."""
        left = float("inf") if seconds is None else seconds
        while len(self.ended) < len(self.actors) and left > 0:
            try:
                number, what = self.said.get(timeout=POLL_SECONDS)
            except Empty:
                left -= POLL_SECONDS
                continue
            if isinstance(what, Ended):
                self.ended[number] = what
                left = min(left, SETTLE_SECONDS if what.code else left)
            elif number == 0:
                print(what, end="", file=sys.stderr, flush=True)
            elif any(each.code for each in self.ended.values()):
                print(f"machine {number + 1}: {what}", end="", file=sys.stderr, flush=True)

    def stop(self, signum: int) -> None:
        """Ask all processes to write their checkpoint and end, and wait for it."""
        for actor in self.actors:
            with suppress(self.ray.exceptions.RayError):
                actor.stop.remote(signum)
        self.wait(END_SECONDS)
