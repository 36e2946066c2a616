"""Watch what layers give during one pass, and let go of them whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn


@contextmanager
def watched(layers: Sequence[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Collect the output of each layer while the block runs; the hooks go on the way out, also after an error.

    What goes on through the network is a copy: an in-place activation behind a layer cannot alter what was seen.

    Yields:
        A dictionary that fills as the network runs: layer to its output, part of the graph.
    """
    seen: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, _: tuple[object, ...], output: Tensor) -> Tensor:
        seen[layer] = output
        return output.clone()

    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.register_forward_hook(note).remove)
        yield seen
