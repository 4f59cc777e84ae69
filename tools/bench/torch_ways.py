"""What the programs that time the PyTorch reference have in common: ways to run it, each in a process of its own."""

import contextlib
import json
import resource
import subprocess
import sys

EAGER, COMPILED, FROZEN = "eager", "compiled", "frozen"


def add_arguments(parser):
    parser.add_argument("checkout")
    parser.add_argument("--model", default="SiT-S/2")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "WAY"), help="one measurement, in this process")


def run(options, ways, measure):
    """Makes the one measurement that is asked for, or prints the fastest way of each thing in `ways`."""
    if options.only:
        measure(options, *options.only)
    else:
        for what, each in ways.items():
            print(json.dumps(fastest(what, each)), flush=True)


def fastest(what, ways):
    """Measures every way in a process of its own, and returns the line of the fastest."""
    lines = []
    for way in ways:
        run = subprocess.run([sys.executable, *sys.argv, "--only", what, way], stdout=subprocess.PIPE, text=True)
        lines += [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return min(lines, key=lambda line: line["seconds"])


def tell(what, way, seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"what": what, "way": way, "seconds": round(seconds, 5), "peak_rss_mb": peak}), flush=True)


def freeze(way):
    """Has torch.compile pack weights once, where that is the way."""
    if way == FROZEN:
        import torch._inductor.config

        torch._inductor.config.freezing = True


def rename_timm():
    """The reference imports timm by a name that timm has since changed."""
    import timm.layers

    sys.modules.setdefault("timm.models.layers", timm.layers)


def autocast(options):
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16) if options.precision == "bfloat16" else contextlib.nullcontext()
