"""Times the PyTorch reference's samplers at their best, for `npm run bench -- --sample --against "python …"`.

usage: torch_sampler.py CHECKOUT [--model SiT-S/2] [--phases 4,16,64] [--ratios 0.95,0.8] [--latent 32] [--steps 20]
                        [--precision float32]

CHECKOUT is a checkout of LeapLabTHU/Attention-Mediators; needs torch, timm and a C++ compiler. Its step-wise mode is right
for one sample at a time, and so runs; its other one draws 4 together, its default. Each takes the fastest of eager
PyTorch, torch.compile, and torch.compile with frozen weights, in a process of its own. Weights are random, none of them
zero. Prints a line of JSON for each: `seconds` are those of one sample, the better of two times; `way` is what won.
"""

import argparse
import importlib
import os
import sys
import time
import types

import torch_ways
from torch_ways import COMPILED, EAGER, FROZEN, autocast

WAYS = dict.fromkeys(("sampling", "step-wise sampling"), (EAGER, COMPILED, FROZEN))


def arguments():
    parser = argparse.ArgumentParser()
    torch_ways.add_arguments(parser)
    parser.add_argument("--phases", default="4,16,64")
    parser.add_argument("--ratios", default="0.95,0.8")
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4, help="samples that one model draws together")
    return parser.parse_args()


def modules(folder):
    """The reference's models and samplers. It solves no ODE here."""
    torch_ways.rename_timm()
    sys.modules.setdefault("torchdiffeq", types.SimpleNamespace(odeint=None))
    sys.path.insert(0, folder)
    return importlib.import_module("models"), importlib.import_module("transport")


def measure(options, what, way):
    import torch

    torch_ways.freeze(way)
    torch.manual_seed(0)
    stepwise = what == "step-wise sampling"
    folder = "time_step_wise_adjusting" if stepwise else "attention_mediator"
    models, transport = modules(os.path.join(options.checkout, folder))
    counts = [int(count) for count in options.phases.split(",")]
    networks = [network(models, options, count, way) for count in (counts if stepwise else counts[-1:])]
    sampler = transport.Sampler(transport.create_transport("Linear", "velocity", None, None, None))
    sde = {"last_step": "Mean", "last_step_size": 0.04, "diffusion_form": "sigma", "num_steps": options.steps}
    sample = sampler.sample_sde(**sde)
    batch = 1 if stepwise else options.batch
    x = torch.randn(batch, 4, options.latent, options.latent)
    y = torch.randint(0, 1000, (batch,))
    if stepwise:
        call = models.SwitchModelThree(
            *networks,
            *(float(ratio) for ratio in options.ratios.split(",")),
            first_several_num=3,
            distence_func=torch.nn.functional.l1_loss,
        )
    else:
        call = networks[0].forward
    times = []
    with torch.no_grad(), autocast(options):
        # Models that a sample may not reach are compiled too.
        for each in networks:
            each(x, torch.full((batch,), 0.5), y)
        for _ in range(3):
            begin = time.perf_counter()
            sample(x, call, y=y)
            times.append(time.perf_counter() - begin)
    torch_ways.tell(what, way, min(times[1:]) / batch)


def network(models, options, mediators, way):
    import torch

    made = models.SiT_models[options.model](input_size=options.latent, mediator_num=mediators).eval()
    for parameter in made.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    if way != EAGER:
        made.forward = torch.compile(made.forward)
    return made


if __name__ == "__main__":
    torch_ways.run(arguments(), WAYS, measure)
