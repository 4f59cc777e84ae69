"""Times the PyTorch reference's network at its best, for `npm run bench -- --against "python …"`.

usage: torch_best.py CHECKOUT [--model SiT-S/2] [--mediators 64] [--latent 32] [--batch 8] [--precision float32] [--repeats 6]

CHECKOUT is a checkout of LeapLabTHU/Attention-Mediators; needs torch, timm and a C++ compiler. The forward pass is the
fastest of eager PyTorch, torch.compile, and torch.compile with frozen weights, which it packs once; the training step
(loss, gradients, AdamW, moving average) that of eager and compiled. `--mediators 0` is SiT's full attention. Each runs
in a process of its own, so that a peak of memory is that of one alone. Prints a line of JSON for each: `way` is what won.
"""

import argparse
import contextlib
import copy
import json
import os
import resource
import subprocess
import sys
import time

WAYS = {"forward": ("eager", "compiled", "frozen"), "train step": ("eager", "compiled")}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout")
    parser.add_argument("--model", default="SiT-S/2")
    parser.add_argument("--mediators", type=int, default=64)
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "WAY"), help="one measurement, in this process")
    return parser.parse_args()


def fastest(what):
    """Measures every way in a process of its own, and returns the line of the fastest."""
    lines = []
    for way in WAYS[what]:
        run = subprocess.run([sys.executable, *sys.argv, "--only", what, way], stdout=subprocess.PIPE, text=True)
        lines += [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return min(lines, key=lambda line: line["seconds"])


def measure(options, what, way):
    import torch

    if way == "frozen":
        import torch._inductor.config

        torch._inductor.config.freezing = True
    network = reference(options)
    inputs = (
        torch.randn(options.batch, 4, options.latent, options.latent),
        torch.rand(options.batch),
        torch.randint(0, 1000, (options.batch,)),
    )
    call = network if way == "eager" else torch.compile(network)
    work = step_of(network, call, inputs, options) if what == "train step" else forward_of(network, call, inputs, options)
    for _ in range(2):
        work()
    times = []
    for _ in range(options.repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"what": what, "way": way, "seconds": round(min(times), 5), "peak_rss_mb": peak}), flush=True)


def reference(options):
    """The reference's network, whose import of timm is of a name that timm has since changed."""
    import timm.layers
    import torch

    sys.modules.setdefault("timm.models.layers", timm.layers)
    sys.path.insert(0, os.path.join(options.checkout, "attention_mediator"))
    from models import Attention, SiT_models

    torch.manual_seed(0)
    network = SiT_models[options.model](input_size=options.latent, mediator_num=options.mediators or 1)
    if options.mediators == 0:
        # As SiT has it, and the comment in the reference's block.
        for block in network.blocks:
            block.attn = Attention(block.attn.qkv.in_features, num_heads=block.attn.num_heads, qkv_bias=True)
    return network


def autocast(options):
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16) if options.precision == "bfloat16" else contextlib.nullcontext()


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
    given = arguments()
    if given.only:
        measure(given, *given.only)
    else:
        for each in WAYS:
            print(json.dumps(fastest(each)), flush=True)
