"""Records a training with the package wandb, the maintained SDK.

Reads a line of JSON that says how to begin, then one a record, until its input ends. Answers in lines of JSON: `ready`
with the run's address, or `failed`. It takes records from the first moment on, and all that it has taken are recorded,
also when the training was killed and nobody reads its answers.
"""

import json
import os
import queue
import sys
import threading

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # What the package prints is no answer.


def answer(**what):
    try:
        print(json.dumps(what), file=answers)
    except OSError:
        pass


taken = queue.SimpleQueue()


def take():
    for line in sys.stdin:
        taken.put(line)
    taken.put(None)


threading.Thread(target=take, daemon=True).start()
try:
    import wandb
    begin = json.loads(taken.get())
    run = wandb.init(resume="allow", **begin)
    answer(type="ready", place=run.url or run.dir)
    for line in iter(taken.get, None):
        record = json.loads(line)
        run.log(record["figures"], step=record["step"])
    run.finish()
except ImportError:
    answer(type="failed", message="Python has no package wandb: pip install wandb")
    sys.exit(1)
except BaseException as error:
    answer(type="failed", message=f"{type(error).__name__}: {error}")
    sys.exit(1)
