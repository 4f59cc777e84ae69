"""Times the PyTorch reference's compiled step on a GPU, for `npm run bench:gpu -- --torch CHECKOUT`.

usage: torch_step.py CHECKOUT --model SiT-S/2 --batch 64 [--mediators 64] [--latent 32] [--precision bfloat16] [--seconds 5]

CHECKOUT is a checkout of LeapLabTHU/Attention-Mediators; needs torch with CUDA, and timm. The step is the forward pass,
mean squared error, backward pass, fused AdamW and the average of the weights. Prints a line of JSON for each work.
"""

import argparse
import contextlib
import copy
import json
import os
import sys
import time

import torch

try:
    import timm.models.layers  # noqa: F401
except ImportError:
    import timm.layers

    sys.modules["timm.models.layers"] = timm.layers


def best_of(work, limit):
    begin = time.perf_counter()
    work()
    torch.cuda.synchronize()
    first, best = time.perf_counter() - begin, float("inf")
    end = time.perf_counter() + limit
    while best == float("inf") or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return first, best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout")
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--mediators", type=int, default=64)
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    sys.path.insert(0, os.path.join(options.checkout, "attention_mediator"))
    from models import SiT_models

    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    size, batch = options.latent, options.batch
    model = SiT_models[options.model](input_size=size, mediator_num=options.mediators).cuda()
    average = copy.deepcopy(model)
    compiled = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)
    x = torch.randn(batch, 4, size, size, device="cuda")
    t = torch.rand(batch, device="cuda")
    y = torch.randint(0, 1000, (batch,), device="cuda")
    half = options.precision == "bfloat16"
    cast = torch.autocast("cuda", dtype=torch.bfloat16) if half else contextlib.nullcontext()

    def forward():
        with torch.no_grad(), cast:
            compiled(x, t, y)

    def step():
        with cast:
            loss = (compiled(x, t, y)[:, :4].float() - x).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1e-4)

    for what, train, work in (("forward", False, forward), ("train step", True, step)):
        model.train(train)
        first, best = best_of(work, options.seconds)
        memory = round(torch.cuda.max_memory_allocated() / 2**20)
        print(json.dumps({"what": what, "first": first, "seconds": best, "memory_mib": memory}), flush=True)


if __name__ == "__main__":
    main()
