"""Times the PyTorch reference's network at its best, for `npm run bench -- --against "python …"`.

usage: torch_best.py CHECKOUT [--model SiT-S/2] [--mediators 64] [--latent 32] [--batch 8] [--precision float32] [--repeats 6]

CHECKOUT is a checkout of LeapLabTHU/Attention-Mediators; needs torch, timm and a C++ compiler. The forward pass is the
fastest of eager PyTorch, torch.compile, and torch.compile with frozen weights, which it packs once; the training step
(loss, gradients, AdamW, moving average) that of eager and compiled. `--mediators 0` is SiT's full attention. Each runs
in a process of its own, so that a peak of memory is that of one alone. Prints a line of JSON for each: `way` is what won.
"""

import argparse
import copy
import os
import sys
import time

import torch_ways
from torch_ways import COMPILED, EAGER, FROZEN, autocast

WAYS = {"forward": (EAGER, COMPILED, FROZEN), "train step": (EAGER, COMPILED)}


def arguments():
    parser = argparse.ArgumentParser()
    torch_ways.add_arguments(parser)
    parser.add_argument("--mediators", type=int, default=64)
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=6)
    return parser.parse_args()


def measure(options, what, way):
    import torch

    torch_ways.freeze(way)
    network = reference(options)
    inputs = (
        torch.randn(options.batch, 4, options.latent, options.latent),
        torch.rand(options.batch),
        torch.randint(0, 1000, (options.batch,)),
    )
    call = network if way == EAGER else torch.compile(network)
    work = step_of(network, call, inputs, options) if what == "train step" else forward_of(network, call, inputs, options)
    for _ in range(2):
        work()
    times = []
    for _ in range(options.repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    torch_ways.tell(what, way, min(times))


def reference(options):
    """The reference's network."""
    import torch

    torch_ways.rename_timm()
    sys.path.insert(0, os.path.join(options.checkout, "attention_mediator"))
    from models import Attention, SiT_models

    torch.manual_seed(0)
    network = SiT_models[options.model](input_size=options.latent, mediator_num=options.mediators or 1)
    if options.mediators == 0:
        # As SiT has it, and the comment in the reference's block.
        for block in network.blocks:
            block.attn = Attention(block.attn.qkv.in_features, num_heads=block.attn.num_heads, qkv_bias=True)
    return network


def forward_of(network, call, inputs, options):
    import torch

    network.eval()

    def forward():
        with torch.no_grad(), autocast(options):
            call(*inputs)

    return forward


def step_of(network, call, inputs, options):
    import torch

    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0)

    def step():
        with autocast(options):
            output = call(*inputs)
        optimizer.zero_grad()
        ((output.float() - inputs[0]) ** 2).mean().backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1e-4)

    return step


if __name__ == "__main__":
    torch_ways.run(arguments(), WAYS, measure)
