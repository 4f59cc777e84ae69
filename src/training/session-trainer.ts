import type { Parameter } from '../nn/parameter.js';
import { checkInputs, firstRun, meanOverWorkers, scalar, trace, VariableStore } from '../tensorflow/index.js';
import type { Feed, HostTensor, HostTensors, Output, Session, SessionVariable } from '../tensorflow/index.js';
import type { AdamWSlot } from './adamw.js';
import { averageGroups, headGroups, LossScale, stateGroups } from './checkpoint-manifest.js';
import type { LossScaleState, StateGroup } from './checkpoint-manifest.js';
import { checkDivides, gradientResults, partsOf, partSpecs, scaleInput, withGradients } from './gradients.js';
import type { Accumulation } from './gradients.js';
import { averagePrefix, checkStep, groupParameters, inNameOrder, stepOptions } from './trainer.js';
import type { StepResult, Trainer, TrainerOptions, ValueOf } from './trainer.js';
import { type Update, writeUpdate } from './update.js';

/**
 * A training whose state lives in a session; `read` and `write` carry it to and from checkpoints.
 *
 * Where the session belongs to a group of workers, each gives its share of the global batch: losses, figures and
 * gradients are averaged over them, so that all take the same step.
 *
 * The first step traces: until then the session's graph is small, and setting the state takes no time.
 */
export class SessionTrainer implements Trainer {
  readonly groups: readonly StateGroup[];
  private readonly stores: ReadonlyMap<StateGroup, VariableStore>;
  /** The state of each parameter, by its name. */
  private readonly slots: ReadonlyMap<string, AdamWSlot>;
  /** Operations that set averages to the weights, and moments to zero. */
  private readonly fromWeights: readonly bigint[];
  /** A factor that is given, so that nothing follows from it beforehand. */
  private readonly one: Output;
  private readonly frozen: readonly SessionVariable[];
  private readonly frozenStore: VariableStore;
  /** Moments and averages are set while it lasts. */
  private starting: Promise<unknown> | undefined;
  private loadsFrozen: Promise<void> | undefined;
  /** Steps by the inputs that their batches have. */
  private readonly traced = new Map<string, TrainingStep>();
  private scale: LossScale | undefined;

  constructor(
    private readonly session: Session,
    private readonly options: TrainerOptions,
  ) {
    const { averageDecays, inputs, accumulation } = options;
    if (accumulation !== undefined) checkDivides(inputs, accumulation);
    this.groups = stateGroups(averageDecays, options.heads !== undefined);
    if (session.options.precision === 'float16') this.scale = new LossScale();

    const variables = new Map(
      this.groups.map((group) => [
        group,
        new Map(
          groupParameters(options, group).map(({ name, shape }) => {
            const isValue = group === 'weights' || group === 'heads';
            return [name, session.variable(isValue ? name : `${name} (${group})`, shape)];
          }),
        ),
      ]),
    );
    const slotsOf = (weights: StateGroup, moments: readonly StateGroup[], averages: readonly StateGroup[]) =>
      groupParameters(options, weights).map(({ name }): [string, AdamWSlot] => {
        const of = (group: StateGroup) => variables.get(group)!.get(name)!;
        const [firstMoment, secondMoment] = moments.map(of) as [SessionVariable, SessionVariable | undefined];
        return [name, { weights: of(weights), firstMoment, secondMoment, averages: averages.map(of) }];
      });
    const [heads, ...headMoments] = headGroups;
    this.slots = new Map([
      ...slotsOf('weights', ['firstMoment', 'secondMoment'], averageGroups(averageDecays)),
      ...slotsOf(heads, headMoments, []),
    ]);
    this.stores = new Map(
      [...variables].map(([group, each]) => [
        group,
        new VariableStore(
          session,
          this.parametersOf(group).map(({ name }) => each.get(name)!),
        ),
      ]),
    );
    const frozen = options.frozen?.parameters ?? [];
    this.frozen = frozen.map(({ name, shape, factor }) => session.variable(name, shape, { factor }));
    this.frozenStore = new VariableStore(session, this.frozen);
    const { graph } = session;
    this.one = graph.placeholder('float32', []);
    // Each gets memory of its own: what variables share cannot be updated in place. Zeros that follow from constants or
    // shapes would be computed beforehand, and kept as long as the session.
    this.fromWeights = [...this.slots.values()].flatMap(
      ({ weights, averages, firstMoment, secondMoment }) => [
        ...averages.map((average) => average.assign(graph.node('Mul', [weights.read(), this.one]))),
        ...[firstMoment, secondMoment].flatMap(
          (moment) => moment?.assign(graph.node('Sub', [weights.read(), weights.read()])) ?? [],
        ),
      ],
    );
  }

  parametersOf(group: StateGroup): readonly Parameter[] {
    return inNameOrder(groupParameters(this.options, group));
  }

  get lossScale(): LossScaleState | undefined {
    return this.scale?.toJSON();
  }

  restoreLossScale(state: LossScaleState | undefined): void {
    if (this.scale !== undefined) this.scale = new LossScale(state);
  }

  async start(weightOf: ValueOf): Promise<void> {
    await this.write('weights', weightOf);
    if (this.options.heads !== undefined) await this.write('heads', weightOf);
    // Runs while the first step is traced.
    this.starting = this.session.run([[this.one, scalar(1)]], [], this.fromWeights);
    this.starting.catch(() => undefined);
  }

  async step(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop = false,
  ): Promise<StepResult> {
    checkStep(learningRate, updates);
    const options = stepOptions(this.options, inputs);
    checkInputs(inputs, options.inputs);
    const scale = this.scale?.scale;
    const run = async (step: TrainingStep) => {
      await this.starting;
      return step.run(inputs, learningRate, updates, wishToStop, scale);
    };
    const kind = Object.keys(options.inputs).join();
    const first = () => {
      const state = { slots: this.slots, frozen: this.frozen };
      const step = new TrainingStep(this.session, options, state, this.scale !== undefined);
      this.traced.set(kind, step);
      return run(step);
    };
    this.loadsFrozen ??= this.options.frozen?.load((valueOf) =>
      this.frozenStore.write(({ name }) => valueOf(name)),
    );
    await this.loadsFrozen;
    const traced = this.traced.get(kind);
    const result = await (traced === undefined ? firstRun(this.session, first) : run(traced));
    this.scale?.update(result.applied);
    return result;
  }

  async *read(group: StateGroup): AsyncGenerator<readonly [name: string, value: HostTensor]> {
    const parameters = this.parametersOf(group);
    let i = 0;
    await this.starting;
    for await (const [, value] of this.store(group).read()) yield [parameters[i++]!.name, value];
  }

  async write(group: StateGroup, valueOf: ValueOf): Promise<void> {
    const store = this.store(group);
    const parameters = this.parametersOf(group);
    const names = new Map(store.variables.map((variable, i) => [variable, parameters[i]!.name]));
    await this.starting;
    await store.write((variable) => valueOf(names.get(variable)!));
  }

  private store(group: StateGroup): VariableStore {
    const store = this.stores.get(group);
    if (store === undefined) throw new Error(`This training keeps no ${group}.`);
    return store;
  }
}

/** Variables that a step reads, and some of which it changes. */
interface TrainedState {
  readonly slots: ReadonlyMap<string, AdamWSlot>;
  readonly frozen: readonly SessionVariable[];
}

const atOnce: Accumulation = { parts: 1, perSample: [], firstSample: '' };

/**
 * The graph of a training step: forward, backward, AdamW and the moving averages in one call, or in as many as the
 * batch has parts.
 */
export class TrainingStep {
  private readonly inputs: Readonly<Record<string, Output>>;
  private readonly update: Update;
  private readonly wish: Output;
  private readonly fetches: readonly Output[];
  private readonly figureNames: readonly string[];
  private readonly accumulation: Accumulation;
  private readonly sums: Sums;

  /**
   * @param state of each parameter, by its name, and weights that are not trained
   * @param scaled whether the loss is multiplied by a scale, which calls then give
   */
  constructor(
    private readonly session: Session,
    options: TrainerOptions,
    { slots: all, frozen }: TrainedState,
    private readonly scaled: boolean,
  ) {
    const { graph } = session;
    const { parameters, accumulation = atOnce } = options;
    this.accumulation = accumulation;
    const names = parameters.map(({ name }) => name);
    const slots = names.map((name) => all.get(name)!);
    const { inputs, outputs } = trace(
      session,
      withGradients(options.loss, names),
      {
        ...partSpecs(options.inputs, accumulation),
        ...(scaled && { [scaleInput]: { dtype: 'float32' as const, shape: [] } }),
      },
      Object.fromEntries([
        ...slots.map(({ weights }, i) => [names[i]!, weights] as const),
        ...frozen.map((variable) => [variable.name, variable] as const),
        ...(options.takesAverage === true
          ? names.flatMap((name) => {
              const average = all.get(name)!.averages[0];
              return average === undefined ? [] : [[averagePrefix + name, average] as const];
            })
          : []),
      ]),
    );
    this.inputs = inputs;
    const results = gradientResults(outputs, names);
    this.figureNames = Object.keys(results.figures);
    const own = [results.loss, ...Object.values(results.figures), ...this.unscaled(results.gradients)];
    this.sums = new Sums(session, accumulation.parts, own);

    this.wish = graph.placeholder('float32', []);
    // What is fed cannot be fetched.
    const wish = graph.node('Identity', [this.wish]);
    const [stop, loss, ...rest] = meanOverWorkers(session, [wish, ...this.sums.means]) as [
      Output,
      Output,
      ...Output[],
    ];
    const figures = rest.slice(0, this.figureNames.length);
    const gradients = rest.slice(this.figureNames.length);
    this.update = writeUpdate(session, options, slots, loss, gradients);
    const { norm, finite } = this.update;
    this.fetches = [loss, norm, finite, stop, ...figures];
  }

  /** @param scale of the loss, where it has one */
  async run(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop: boolean,
    scale: number | undefined,
  ): Promise<StepResult> {
    const parts = partsOf(inputs, this.accumulation);
    const last = parts.at(-1)!;
    for (const [i, part] of parts.slice(0, -1).entries())
      await this.session.run(this.feedsOf(part, scale), [], i === 0 ? this.sums.begin : this.sums.add);
    const feeds: Feed[] = [
      ...this.feedsOf(last, scale),
      ...this.update.feeds({ learningRate, updates }),
      [this.wish, scalar(wishToStop ? 1 : 0)],
    ];
    const values: HostTensor[] = await this.session.step(feeds, this.fetches, this.update.targets);
    const [loss, norm, finite, stop, ...figures] = values.map(({ data }) => data[0]!);
    return {
      loss: loss!,
      gradientNorm: norm!,
      applied: finite === 1,
      stop: stop! > 0,
      figures: Object.fromEntries(this.figureNames.map((name, i) => [name, figures[i]!])),
    };
  }

  private feedsOf(part: HostTensors, scale: number | undefined): Feed[] {
    const feeds = Object.entries(part).map(([name, value]): Feed => [this.inputs[name]!, value]);
    if (scale !== undefined) feeds.push([this.inputs[scaleInput]!, scalar(scale)]);
    return feeds;
  }

  /** Gradients without the factor of the loss scale. */
  private unscaled(gradients: readonly Output[]): readonly Output[] {
    if (!this.scaled) return gradients;
    const { graph } = this.session;
    const factor = graph.node('Reciprocal', [this.inputs[scaleInput]!]);
    return gradients.map((gradient) => graph.node('Mul', [gradient, factor]));
  }
}

/** Sums of values over the parts of a batch. */
class Sums {
  /** Means over the parts: sums so far and the values of the part that runs. */
  readonly means: readonly Output[];
  /** Operations that set the sums to the values of the part that runs. */
  readonly begin: readonly bigint[];
  /** Operations that add these values. */
  readonly add: readonly bigint[];

  constructor(session: Session, parts: number, values: readonly Output[]) {
    const { graph } = session;
    const sums =
      parts === 1 ? [] : values.map((value, i) => session.variable(`sum ${i}`, graph.shapeOf(value)));
    this.begin = sums.map((sum, i) => sum.assign(values[i]!));
    this.add = sums.map(({ handle }, i) => graph.add('AssignAddVariableOp', [handle, values[i]!]));
    this.means = values.map((value, i) => {
      const sum = sums[i];
      if (sum === undefined) return value;
      return graph.node('Mul', [graph.node('AddV2', [sum.read(), value]), graph.scalar(1 / parts)]);
    });
  }
}
