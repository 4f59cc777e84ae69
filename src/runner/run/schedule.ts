import { type Demand, type Machine, place } from '../placement.js';
import { demandOf, describeStages } from '../plan/describe.js';
import type { Plan, PlannedStage } from '../plan/plan.js';

/** Machine that the stages of a run share, and the need of each; a stage that is not named needs nothing. */
export interface Room {
  readonly machine: Machine;
  readonly demands: ReadonlyMap<string, Demand>;
}

const nothing: Demand = { devices: 0, bytes: 0 };
/** Room in which one stage runs at a time, in this process. */
const single: Room = { machine: { devices: [], bytes: Infinity }, demands: new Map() };

/** The room for a plan's stages: GPUs where there are several, and stages to run on them that do not need each other. */
export async function roomFor(
  plan: Pick<Plan, 'pipeline' | 'stages'>,
  machineOf: (() => Machine) | undefined,
): Promise<Room> {
  const computing = plan.stages.filter(
    (planned) => planned.reasons.length > 0 && demandOf(plan, planned).devices > 0,
  );
  if (machineOf === undefined || !areSomeIndependent(computing, plan.stages)) return single;
  const machine = machineOf();
  if (machine.devices.length < 2) return single;
  const facts = await describeStages(plan);
  return {
    machine,
    demands: new Map(
      computing.map((planned) => [planned.stage.id, demandOf(plan, planned, facts.get(planned.stage.id))]),
    ),
  };
}

/** True when two of `some` need each other's output neither directly nor by way of others. */
function areSomeIndependent(some: readonly PlannedStage[], all: readonly PlannedStage[]): boolean {
  const needs = new Map<string, ReadonlySet<string>>();
  for (const { stage } of all)
    needs.set(stage.id, new Set(stage.references.flatMap(({ stage: id }) => [id, ...needs.get(id)!])));
  return some.some((later, i) =>
    some.slice(0, i).some((earlier) => !needs.get(later.stage.id)!.has(earlier.stage.id)),
  );
}

/**
 * Starts each stage once those that it names are done and there is room for it, earlier ones first. What gets no GPU
 * runs on the processor, one at a time. When a stage is not done, or the signal aborts, no more start; resolves when none runs.
 *
 * @param start runs a stage on GPUs of its own, or none; gives whether it is done, and never rejects
 */
export async function runInTurn(
  stages: readonly PlannedStage[],
  { machine, demands }: Room,
  signal: AbortSignal,
  start: (stage: PlannedStage, devices: readonly string[]) => Promise<boolean>,
): Promise<void> {
  const done = new Set<string>();
  const running = new Map<
    string,
    { readonly placed: Demand & { on: readonly string[] }; ended: Promise<void> }
  >();
  let waiting = stages;
  const state = { goesOn: true };
  const placeOf = (id: string): readonly string[] | undefined => {
    const demand = demands.get(id) ?? nothing;
    const placed = [...running.values()].map((each) => each.placed);
    if (demand.devices === 0 && placed.some(({ on }) => on.length === 0)) return undefined;
    return place(demand, machine, placed);
  };
  for (;;) {
    for (const planned of waiting) {
      const { id, references } = planned.stage;
      if (!state.goesOn || signal.aborted) break;
      const on = references.every(({ stage }) => done.has(stage)) ? placeOf(id) : undefined;
      if (on === undefined) continue;
      waiting = waiting.filter((each) => each !== planned);
      const ended = start(planned, on).then((isDone) => {
        running.delete(id);
        if (isDone) done.add(id);
        else state.goesOn = false;
      });
      running.set(id, { placed: { ...(demands.get(id) ?? nothing), on }, ended });
    }
    if (running.size === 0) return;
    await Promise.race([...running.values()].map(({ ended }) => ended));
  }
}
