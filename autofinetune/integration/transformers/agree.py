"""Decisions of rank 0 that all ranks of a training follow."""

from __future__ import annotations

from typing import Any


def agreed(args: Any, *, is_to_stop: bool) -> bool:
    """Return rank 0's decision on all ranks, so that none waits for another one."""
    if args.world_size == 1:
        return is_to_stop
    import torch

    decision = torch.tensor(int(is_to_stop), device=args.device)
    torch.distributed.broadcast(decision, src=0)
    return bool(decision.item())
