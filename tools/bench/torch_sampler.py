"""Times the PyTorch reference's samplers on a CPU, for `npm run bench -- --sample --against "python …"`.

usage: torch_sampler.py CHECKOUT [--model SiT-S/2] [--phases 4,16,64] [--ratios 0.95,0.8] [--latent 32] [--steps 20]

CHECKOUT is a checkout of LeapLabTHU/Attention-Mediators; needs torch, timm and torchdiffeq. Its step-wise mode is right
for one sample at a time, and so runs; its other one draws 4 together, its default. Weights are random, none of them
zero. Prints a line of JSON for each: `seconds` are those of one sample, the better of two times.
"""

import argparse
import importlib
import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as functional


def modules(folder):
    """The reference's models and samplers; its two folders name them alike."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("models", "transport")]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("models"), importlib.import_module("transport")
    finally:
        sys.path.pop(0)


def randomized(model):
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return model.eval()


def seconds_of(draw, samples):
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        draw()
        times.append(time.perf_counter() - begin)
    return min(times) / samples


def tell(what, seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"what": what, "seconds": round(seconds, 5), "peak_rss_mb": peak}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout")
    parser.add_argument("--model", default="SiT-S/2")
    parser.add_argument("--phases", default="4,16,64")
    parser.add_argument("--ratios", default="0.95,0.8")
    parser.add_argument("--latent", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    counts = [int(count) for count in options.phases.split(",")]
    ratios = [float(ratio) for ratio in options.ratios.split(",")]
    try:
        import timm.models.layers  # noqa: F401
    except ImportError:
        import timm.layers

        sys.modules["timm.models.layers"] = timm.layers
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    sde = {"last_step": "Mean", "last_step_size": 0.04, "diffusion_form": "sigma", "num_steps": options.steps}

    def noise(batch):
        return torch.randn(batch, 4, options.latent, options.latent), torch.randint(0, 1000, (batch,))

    def model_of(models, count):
        create = models.SiT_models[options.model]
        return randomized(create(input_size=options.latent, num_classes=1000, learn_sigma=True, mediator_num=count))

    models, transport = modules(os.path.join(options.checkout, "attention_mediator"))
    sampler = transport.Sampler(transport.create_transport("Linear", "velocity", None, None, None))
    largest, sample = model_of(models, counts[-1]), sampler.sample_sde(**sde)
    x, y = noise(options.batch)
    tell("sampling", seconds_of(lambda: sample(x, largest.forward, y=y), options.batch))

    models, transport = modules(os.path.join(options.checkout, "time_step_wise_adjusting"))
    sampler = transport.Sampler(transport.create_transport("Linear", "velocity", None, None, None))
    sample = sampler.sample_sde(**sde)
    switching = models.SwitchModelThree(
        *(model_of(models, count) for count in counts),
        *ratios,
        first_several_num=3,
        distence_func=functional.l1_loss,
    )
    x, y = noise(1)
    tell("step-wise sampling", seconds_of(lambda: sample(x, switching, y=y), 1))


main()
