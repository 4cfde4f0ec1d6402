"""Score in a process of its own and print its peak memory in bytes and its checkpoints; started by `growth.memory`."""

import os
import resource
import sys

from rrr_utils.engine import passes as engine


def main() -> None:
    """Take network, size, strategy, images, samples and checkpoints (0: as many as a stack's budget allows)."""
    name, size, strategy, images, samples, count = sys.argv[1:]
    engine.start(int(os.environ.get("RRR_THREADS", "2")))
    import growth
    import inputs

    from rrr_utils.training import runs

    network = inputs.network(name, int(size))
    if int(count):
        stack = inputs.stack(network, inputs.states(network, strategy, int(count)))
    else:
        first = inputs.states(network, strategy, 1)[0]
        stack = inputs.stack(network, [])
        while stack.nbytes <= runs._HELD:  # as Run.stacks fills it
            stack.add({key: array * (1 + 1e-3 * len(stack)) for key, array in first.items()})
    number = int(images)
    growth.score(stack, inputs.images(number, int(size)), inputs.disks(number, int(size)), int(samples))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak * (1 if sys.platform == "darwin" else 1024), len(stack))  # macOS counts bytes, Linux kibibytes


if __name__ == "__main__":
    main()
