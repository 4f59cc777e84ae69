import type { Parameter } from '../nn/parameters.js';
import {
  type Feed,
  type HostTensor,
  type HostTensors,
  type Output,
  type Session,
  type SessionVariable,
  VariableStore,
  int32,
  meanOverWorkers,
  scalar,
  trace,
} from '../tensorflow/index.js';
import { type Accumulation, partSpecs, partsOf } from './accumulation.js';
import { AdamW, type AdamWSlot } from './adamw.js';
import { LossScale, type LossScaleState } from './loss-scale.js';
import { type StateGroup, averageGroups, stateGroups } from './state-groups.js';
import { type StepResult, type Trainer, type TrainerOptions, inNameOrder, startOf } from './trainer.js';
import { gradientResults, scaleInput, withGradients } from './with-gradients.js';

const atOnce: Accumulation = { parts: 1, perSample: [], firstSample: '' };

/**
 * A training step compiled into a session: forward, backward, AdamW and the moving averages in one call, or in as
 * many as the batch has parts. The state lives in the session; `read` and `write` carry it to and from checkpoints.
 *
 * Where the session belongs to a group of workers, each gives its share of the global batch: losses, figures and
 * gradients are averaged over them, so that all take the same step.
 */
export class SessionTrainer implements Trainer {
  readonly groups: readonly StateGroup[];
  readonly parameters: readonly Parameter[];
  private readonly names: readonly string[];
  private readonly stores: ReadonlyMap<StateGroup, VariableStore>;
  private readonly clear: { readonly moments: readonly bigint[]; readonly sums: readonly bigint[] };
  private readonly optimizer: AdamW;
  private readonly inputs: Readonly<Record<string, Output>>;
  private readonly wish: Output;
  private readonly fetches: readonly Output[];
  private readonly figureNames: readonly string[];
  private readonly accumulation: Accumulation;
  /** Operations that add a part to the sums. */
  private readonly addTargets: readonly bigint[];
  private readonly updateTargets: readonly bigint[];
  private scale: LossScale | undefined;

  constructor(
    private readonly session: Session,
    options: TrainerOptions,
  ) {
    const { graph } = session;
    const { parameters, averageDecays, optimizer, gradientClip, accumulation = atOnce } = options;
    this.accumulation = accumulation;
    this.groups = stateGroups(averageDecays);
    this.names = parameters.map(({ name }) => name);
    this.parameters = inNameOrder(parameters);
    if (session.options.precision === 'float16') this.scale = new LossScale();

    const variables = new Map(
      this.groups.map((group) => [
        group,
        parameters.map(({ name, shape }) =>
          session.variable(group === 'weights' ? name : `${name} (${group})`, shape),
        ),
      ]),
    );
    const slots = parameters.map((_, i): AdamWSlot => ({
      weights: variables.get('weights')![i]!,
      firstMoment: variables.get('firstMoment')![i]!,
      secondMoment: variables.get('secondMoment')![i]!,
      averages: averageGroups(averageDecays).map((group) => variables.get(group)![i]!),
    }));
    const { inputs, outputs } = trace(
      session,
      withGradients(options.loss),
      {
        ...partSpecs(options.inputs, accumulation),
        ...(this.scale && { [scaleInput]: { dtype: 'float32' as const, shape: [] } }),
      },
      Object.fromEntries(slots.map(({ weights }, i) => [this.names[i]!, weights])),
    );
    this.inputs = inputs;
    const results = gradientResults(outputs, this.names);
    this.figureNames = Object.keys(results.figures);
    const own = [results.loss, ...Object.values(results.figures), ...this.unscaled(results.gradients)];
    const sums = new Sums(session, accumulation.parts, own);

    this.wish = graph.placeholder('float32', []);
    // What is fed cannot be fetched.
    const wish = graph.node('Identity', [this.wish]);
    const [stop, loss, ...rest] = meanOverWorkers(session, [wish, ...sums.means]) as [
      Output,
      Output,
      ...Output[],
    ];
    const figures = rest.slice(0, this.figureNames.length);
    const gradients = rest.slice(this.figureNames.length);
    const squares = gradients.map((gradient) => graph.node('L2Loss', [gradient]));
    const norm = graph.node('Sqrt', [graph.node('Mul', [graph.node('AddN', squares), graph.scalar(2)])]);
    const finite = graph.node('LogicalAnd', [graph.node('IsFinite', [loss]), graph.node('IsFinite', [norm])]);
    this.fetches = [loss, norm, finite, stop, ...figures];

    this.optimizer = new AdamW(session, optimizer, averageDecays);
    const places = this.parameters.map(({ name }) => this.names.indexOf(name));
    this.stores = new Map(
      [...variables].map(([group, each]) => [
        group,
        new VariableStore(
          session,
          places.map((i) => each[i]!),
        ),
      ]),
    );
    const moments = slots.flatMap(({ firstMoment, secondMoment }) => [firstMoment, secondMoment]);
    this.clear = { moments: moments.map((variable) => cleared(session, variable)), sums: sums.clear };
    this.addTargets = sums.add;
    this.updateTargets = this.optimizer.update(slots, this.clipped(gradients, norm, gradientClip), finite);
  }

  get lossScale(): LossScaleState | undefined {
    return this.scale?.toJSON();
  }

  restoreLossScale(state: LossScaleState | undefined): void {
    if (this.scale !== undefined) this.scale = new LossScale(state);
  }

  async start(weights: HostTensors): Promise<void> {
    for (const group of this.groups)
      if (group !== 'firstMoment' && group !== 'secondMoment') await this.write(group, startOf(weights));
    await this.session.run([], [], this.clear.moments);
  }

  async step(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop = false,
  ): Promise<StepResult> {
    const [last, ...others] = partsOf(inputs, this.accumulation).reverse() as [HostTensors, ...HostTensors[]];
    if (others.length > 0) await this.session.run([], [], this.clear.sums);
    for (const part of others.reverse()) await this.session.run(this.feedsOf(part), [], this.addTargets);
    const feeds: Feed[] = [
      ...this.feedsOf(last),
      ...this.optimizer.feeds({ learningRate, updates }),
      [this.wish, scalar(wishToStop ? 1 : 0)],
    ];
    const values = await this.session.step(feeds, this.fetches, this.updateTargets);
    const [loss, norm, finite, stop, ...figures] = values.map(({ data }) => data[0]!);
    this.scale?.update(finite === 1);
    return {
      loss: loss!,
      gradientNorm: norm!,
      applied: finite === 1,
      stop: stop! > 0,
      figures: Object.fromEntries(this.figureNames.map((name, i) => [name, figures[i]!])),
    };
  }

  async *read(group: StateGroup): AsyncGenerator<readonly [name: string, value: HostTensor]> {
    let i = 0;
    for await (const [, value] of this.store(group).read()) yield [this.parameters[i++]!.name, value];
  }

  async write(group: StateGroup, valueOf: (name: string) => HostTensor | Promise<HostTensor>): Promise<void> {
    const store = this.store(group);
    const names = new Map(store.variables.map((variable, i) => [variable, this.parameters[i]!.name]));
    await store.write((variable) => valueOf(names.get(variable)!));
  }

  private store(group: StateGroup): VariableStore {
    const store = this.stores.get(group);
    if (store === undefined) throw new Error(`This training keeps no ${group}.`);
    return store;
  }

  private feedsOf(part: HostTensors): Feed[] {
    const feeds = Object.entries(part).map(([name, value]): Feed => [this.inputs[name]!, value]);
    if (this.scale !== undefined) feeds.push([this.inputs[scaleInput]!, scalar(this.scale.scale)]);
    return feeds;
  }

  /** Gradients without the factor of the loss scale. */
  private unscaled(gradients: readonly Output[]): readonly Output[] {
    if (this.scale === undefined) return gradients;
    const { graph } = this.session;
    const factor = graph.node('Reciprocal', [this.inputs[scaleInput]!]);
    return gradients.map((gradient) => graph.node('Mul', [gradient, factor]));
  }

  private clipped(gradients: readonly Output[], norm: Output, largest: number): readonly Output[] {
    if (largest === 0) return gradients;
    const { graph } = this.session;
    const limit = graph.scalar(largest);
    const factor = graph.node('Div', [limit, graph.node('Maximum', [norm, limit])]);
    return gradients.map((gradient) => graph.node('Mul', [gradient, factor]));
  }
}

/** Sums of values over the parts of a batch. */
class Sums {
  /** Means over the parts: sums so far and the values of the part that runs. */
  readonly means: readonly Output[];
  /** Operations that set the sums to zero. */
  readonly clear: readonly bigint[];
  /** Operations that add the values of the part that runs. */
  readonly add: readonly bigint[];

  constructor(session: Session, parts: number, values: readonly Output[]) {
    const { graph } = session;
    const sums =
      parts === 1 ? [] : values.map((value, i) => session.variable(`sum ${i}`, graph.shapeOf(value)));
    this.clear = sums.map((sum) => cleared(session, sum));
    this.add = sums.map(({ handle }, i) => graph.add('AssignAddVariableOp', [handle, values[i]!]));
    this.means = values.map((value, i) => {
      const sum = sums[i];
      if (sum === undefined) return value;
      return graph.node('Mul', [graph.node('AddV2', [sum.read(), value]), graph.scalar(1 / parts)]);
    });
  }
}

/** An operation that sets a variable to zero. */
function cleared({ graph }: Session, variable: SessionVariable): bigint {
  const extents = graph.constant(int32([variable.shape.length], Int32Array.from(variable.shape)));
  return variable.assign(graph.node('Fill', [extents, graph.scalar(0)]));
}
