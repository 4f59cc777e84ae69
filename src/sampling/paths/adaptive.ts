import { float32, floats, type HostTensor, type Tensor } from '../../tensorflow/index.js';
import type { AdaptiveIntegrator } from '../../transport/index.js';
import { putRows, takeRows } from '../integrate.js';
import { integrateAdaptive } from '../integrators/adaptive.js';
import { adaptiveStep, type Tolerances } from '../integrators/runge-kutta.js';
import { FieldProgram, type Network } from '../network.js';
import { advancePhase, movesOf, firstPhase } from '../phases.js';
import type { PhaseOptions, PhaseState, PhaseSwitch } from '../phases.js';
import { odeField, rowsOfAll } from './path.js';
import type { FollowPath, OdeInputs, OdeSteps, PathInputs } from './path.js';

type State = Readonly<Record<'x' | 't', HostTensor>>;
type Start = State & Readonly<Record<'f' | 'dt', HostTensor>>;
type Results = Record<'x' | 'f' | 'middle' | 'error', HostTensor>;

/**
 * Steps of a method that chooses its own, for each sample. Only samples that have not arrived are computed.
 *
 * Steps being of unequal length, the distance that phases go by is a speed: the difference between successive states for
 * each unit of time (mae), or its square (mse).
 */
export function adaptivePath(
  steps: OdeSteps,
  integrator: AdaptiveIntegrator,
  times: readonly number[],
  phases: PhaseOptions,
  tolerances: Tolerances,
): FollowPath {
  const models = steps.networks.map((network) => adaptivePrograms(steps, integrator, network, tolerances));
  const [start, end] = [times[0]!, times.at(-1)!];
  return async (inputs) => {
    const { init, onProgress, onState, signal } = inputs;
    const path = new AdaptivePath(inputs, models, phases, end);
    const { states } = await integrateAdaptive({
      init,
      times,
      integrator,
      tolerances,
      control: 'sample',
      field: (state) => path.field(state),
      step: (state) => path.step(state),
      onStep: (at) => {
        path.accept(at);
        const done = at.reduce((sum, t) => sum + (t - start) / (end - start), 0);
        onProgress?.(done / at.length);
      },
      ...(signal && { signal }),
    });
    if (onState) for (const [i, x] of states.entries()) if (i > 0) onState(x, i, path.switches);
    return { x: states.at(-1)!, steps: path.accepted, switches: path.switches };
  };
}

function adaptivePrograms(
  { session, field, sizes }: OdeSteps,
  integrator: AdaptiveIntegrator,
  network: Network,
  tolerances: Tolerances,
) {
  return {
    field: new FieldProgram(session, network, sizes, (output, inputs: Omit<OdeInputs, 'dt'>) => ({
      f: odeField(network.model, field, output, inputs)(inputs.x, inputs.t),
    })),
    step: new FieldProgram(session, network, sizes, (output, inputs: OdeInputs & { f: Tensor }) =>
      adaptiveStep(integrator, odeField(network.model, field, output, inputs), inputs, tolerances),
    ),
  };
}

class AdaptivePath {
  readonly switches: PhaseSwitch[] = [];
  private readonly phaseOf: PhaseState[];
  /** Number of accepted steps of each sample. */
  readonly accepted: number[];
  /** Samples whose field is still the one of the phase that they have left. */
  private readonly stale = new Set<number>();
  private tried: { readonly from: Start; readonly to: Results } | undefined;

  constructor(
    private readonly inputs: PathInputs,
    private readonly models: readonly ReturnType<typeof adaptivePrograms>[],
    private readonly phases: PhaseOptions,
    private readonly end: number,
  ) {
    const samples = inputs.init.shape[0]!;
    this.phaseOf = new Array<PhaseState>(samples).fill(firstPhase);
    this.accepted = new Array<number>(samples).fill(0);
  }

  /** The field of each sample's model. */
  async field(state: State): Promise<{ f: HostTensor }> {
    const f = new Float32Array(state.x.data.length);
    await this.byPhase(allOf(state.t), async (phase, rows) => {
      const at = rowsOfAll(state, rows);
      const own = rowsOfAll(this.inputs.perSample, rows);
      putRows((await this.models[phase]!.field.call({ ...at, ...own }, spanOf(at.t))).f, rows, f);
    });
    return { f: float32(state.x.shape, f) };
  }

  /** A step of every sample that has not arrived; of the others the results are zeros. */
  async step(state: Start): Promise<Results> {
    const from = this.stale.size === 0 ? state : await this.refreshed(state);
    const to = emptyResults(state.x);
    const active = allOf(state.t).filter((row) => state.t.data[row] !== Math.fround(this.end));
    await this.byPhase(active, async (phase, rows) => {
      const at = rowsOfAll(from, rows);
      const own = rowsOfAll(this.inputs.perSample, rows);
      const results = await this.models[phase]!.step.call({ ...at, ...own }, spanOf(at.t, at.dt));
      for (const name of ['x', 'f', 'middle', 'error'] as const)
        putRows(results[name], rows, floats(to[name]));
    });
    this.tried = { from, to };
    return to;
  }

  /** Takes note of the samples that have got on since the last step. */
  accept(times: readonly number[]): void {
    const { from, to } = this.tried!;
    for (const [row, t] of times.entries()) {
      if (Math.fround(t) === from.t.data[row]) continue;
      this.accepted[row]!++;
      if (this.accepted[row] === 1) continue;
      const state = this.phaseOf[row]!;
      const next = advancePhase(this.phases, state, this.speed(row, from, to, t));
      this.phaseOf[row] = next;
      if (next.phase === state.phase) continue;
      this.switches.push({ row, step: this.accepted[row]! - 1, from: state.phase, to: next.phase });
      this.stale.add(row);
    }
  }

  private speed(row: number, from: Start, to: Results, t: number): number {
    const { distance } = this.phases;
    const dt = t - from.t.data[row]!;
    return movesOf({ distance, timePower: 1 }, takeRows(to.x, [row]), takeRows(from.x, [row]), dt)[0]!;
  }

  private async refreshed(state: Start): Promise<Start> {
    const rows = [...this.stale];
    this.stale.clear();
    const f = Float32Array.from(state.f.data);
    await this.byPhase(rows, async (phase, members) => {
      const at = rowsOfAll({ x: state.x, t: state.t }, members);
      const own = rowsOfAll(this.inputs.perSample, members);
      putRows((await this.models[phase]!.field.call({ ...at, ...own }, spanOf(at.t))).f, members, f);
    });
    return { ...state, f: float32(state.f.shape, f) };
  }

  private async byPhase(
    rows: readonly number[],
    work: (phase: number, rows: readonly number[]) => Promise<void>,
  ): Promise<void> {
    for (const phase of this.models.keys()) {
      const members = rows.filter((row) => this.phaseOf[row]!.phase === phase);
      if (members.length > 0) await work(phase, members);
    }
  }
}

function spanOf({ data: t }: HostTensor, dt?: HostTensor): readonly [number, number] {
  const ends = Array.from(t, (from, i) => from + (dt?.data[i] ?? 0));
  return [Math.min(...t, ...ends), Math.max(...t, ...ends)];
}

function allOf({ data }: HostTensor): number[] {
  return Array.from(data, (_, row) => row);
}

function emptyResults(x: HostTensor): Results {
  const states = () => float32(x.shape, new Float32Array(x.data.length));
  const samples = x.shape[0]!;
  return { x: states(), f: states(), middle: states(), error: float32([samples], new Float32Array(samples)) };
}
