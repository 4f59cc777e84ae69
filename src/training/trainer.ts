import type { Parameter } from '../nn/parameters.js';
import {
  type Feed,
  type HostTensor,
  type HostTensors,
  type Output,
  type Program,
  type Session,
  type Tensor,
  type TensorSpec,
  type Tensors,
  VariableStore,
  int32,
  meanOverWorkers,
  scalar,
  tf,
  trace,
} from '../tensorflow/index.js';
import { AdamW, type AdamWConfig, type AdamWSlot } from './adamw.js';

/** A loss: a scalar to minimise, and scalars to report beside it. */
export interface Loss {
  readonly loss: Tensor;
  readonly figures?: Readonly<Record<string, Tensor>>;
}

export type LossProgram = (inputs: Tensors, weights: Tensors) => Loss;

export interface TrainerOptions {
  readonly parameters: readonly Parameter[];
  readonly loss: LossProgram;
  /** Shapes and types of the loss's inputs. */
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly optimizer: AdamWConfig;
  /** Decay of the moving average of the weights. */
  readonly averageDecay: number;
  /** Largest global norm of the gradients; 0 leaves them as they are. */
  readonly gradientClip: number;
}

/** What one step tells. */
export interface StepResult {
  readonly loss: number;
  /** Global norm of the gradients, before clipping. */
  readonly gradientNorm: number;
  /** False where loss or gradients were not finite: the step then changed nothing. */
  readonly applied: boolean;
  readonly figures: Readonly<Record<string, number>>;
  /** Whether any worker asked to stop after this step: all learn it at the same step. */
  readonly stop: boolean;
}

/** The four copies that training keeps of each parameter: the slots of the optimizer. */
export type StateGroup = keyof AdamWSlot;
export const stateGroups = [
  'weights',
  'average',
  'firstMoment',
  'secondMoment',
] as const satisfies readonly StateGroup[];

/**
 * A training step compiled into a session: forward, backward, AdamW and the moving average in one call.
 * The state lives in the session; `read` and `write` carry it to and from checkpoints.
 *
 * Where the session belongs to a group of workers, each gives its share of the global batch: losses, figures and
 * gradients are averaged over them, so that all take the same step.
 */
export class Trainer {
  private readonly slots: readonly AdamWSlot[];
  private readonly stores: Readonly<Record<StateGroup, VariableStore>>;
  private readonly clearMoments: readonly bigint[];
  private readonly optimizer: AdamW;
  private readonly inputs: Readonly<Record<string, Output>>;
  private readonly wish: Output;
  private readonly fetches: readonly Output[];
  private readonly figureNames: readonly string[];
  private readonly targets: readonly bigint[];

  constructor(
    private readonly session: Session,
    private readonly options: TrainerOptions,
  ) {
    const { graph } = session;
    this.slots = options.parameters.map(({ name, shape }) => ({
      weights: session.variable(name, shape),
      average: session.variable(`${name} (average)`, shape),
      firstMoment: session.variable(`${name} (first moment)`, shape),
      secondMoment: session.variable(`${name} (second moment)`, shape),
    }));
    const names = options.parameters.map(({ name }) => name);
    const weights = Object.fromEntries(names.map((name, i) => [name, this.slots[i]!.weights]));
    const { inputs, outputs } = trace(session, withGradients(options.loss), options.inputs, weights);
    this.inputs = inputs;
    this.figureNames = Object.keys(outputs).filter((name) => name.startsWith(figurePrefix));

    this.wish = graph.placeholder('float32', []);
    const [loss, stop, ...rest] = meanOverWorkers(session, [
      outputs.loss!,
      // What is fed cannot be fetched.
      graph.node('Identity', [this.wish]),
      ...this.figureNames.map((name) => outputs[name]!),
      ...names.map((name) => outputs[gradientPrefix + name]!),
    ]) as [Output, Output, ...Output[]];
    const figures = rest.slice(0, this.figureNames.length);
    const gradients = rest.slice(this.figureNames.length);
    const squares = gradients.map((gradient) => graph.node('L2Loss', [gradient]));
    const norm = graph.node('Sqrt', [graph.node('Mul', [graph.node('AddN', squares), graph.scalar(2)])]);
    const finite = graph.node('LogicalAnd', [graph.node('IsFinite', [loss]), graph.node('IsFinite', [norm])]);
    this.fetches = [loss, norm, finite, stop, ...figures];
    this.optimizer = new AdamW(session, options.optimizer, options.averageDecay);
    const storeOf = (group: StateGroup) =>
      new VariableStore(
        session,
        this.slots.map((slot) => slot[group]),
      );
    this.stores = {
      weights: storeOf('weights'),
      average: storeOf('average'),
      firstMoment: storeOf('firstMoment'),
      secondMoment: storeOf('secondMoment'),
    };
    this.clearMoments = this.slots.flatMap(({ firstMoment, secondMoment }) =>
      [firstMoment, secondMoment].map((variable) => variable.assign(zeros(session, variable.shape))),
    );
    this.targets = this.optimizer.update(this.slots, this.clipped(gradients, norm), finite);
  }

  /** Sets all state to the start of training: the given weights, their average equal to them, moments zero. */
  async start(weights: HostTensors): Promise<void> {
    const startOf = (name: string): HostTensor => {
      const value = weights[name];
      if (value === undefined) throw new Error(`No start value for the parameter ${name}.`);
      return value;
    };
    await this.write('weights', startOf);
    await this.write('average', startOf);
    await this.session.run([], [], this.clearMoments);
  }

  /**
   * One step. `updates` is the number of steps taken before.
   *
   * @param wishToStop whether this worker wants all to stop after the step
   */
  async step(
    inputs: HostTensors,
    learningRate: number,
    updates: number,
    wishToStop = false,
  ): Promise<StepResult> {
    const batch = Object.entries(inputs).map(([name, value]): Feed => [this.inputs[name]!, value]);
    const feeds: Feed[] = [
      ...batch,
      ...this.optimizer.feeds({ learningRate, updates }),
      [this.wish, scalar(wishToStop ? 1 : 0)],
    ];
    const values = await this.session.run(feeds, this.fetches, this.targets);
    const [loss, norm, finite, stop, ...figures] = values.map(({ data }) => data[0]!);
    return {
      loss: loss!,
      gradientNorm: norm!,
      applied: finite === 1,
      stop: stop! > 0,
      figures: Object.fromEntries(
        this.figureNames.map((name, i) => [name.slice(figurePrefix.length), figures[i]!]),
      ),
    };
  }

  /** Every parameter's name and value in one of the groups, a bounded number at a time. */
  async *read(group: StateGroup): AsyncGenerator<readonly [name: string, value: HostTensor]> {
    let i = 0;
    for await (const [, value] of this.stores[group].read())
      yield [this.options.parameters[i++]!.name, value];
  }

  /** Sets every parameter of a group to what `valueOf` gives for its name. */
  async write(group: StateGroup, valueOf: (name: string) => HostTensor | Promise<HostTensor>): Promise<void> {
    const names = new Map(this.slots.map((slot, i) => [slot[group], this.options.parameters[i]!.name]));
    await this.stores[group].write((variable) => valueOf(names.get(variable)!));
  }

  private clipped(gradients: readonly Output[], norm: Output): readonly Output[] {
    const { gradientClip } = this.options;
    if (gradientClip === 0) return gradients;
    const { graph } = this.session;
    const limit = graph.scalar(gradientClip);
    const factor = graph.node('Div', [limit, graph.node('Maximum', [norm, limit])]);
    return gradients.map((gradient) => graph.node('Mul', [gradient, factor]));
  }
}

function zeros({ graph }: Session, shape: readonly number[]): Output {
  const extents = graph.constant(int32([shape.length], Int32Array.from(shape)));
  return graph.node('Fill', [extents, graph.scalar(0)]);
}

const gradientPrefix = 'gradient ';
const figurePrefix = 'figure ';

/** The program that also returns the loss's gradients by every weight. */
function withGradients(program: LossProgram): Program<Tensors, Tensors> {
  return (inputs, weights) => {
    const names = Object.keys(weights);
    let figures: Readonly<Record<string, Tensor>> = {};
    const { value, grads } = tf.valueAndGrads((...values: Tensor[]) => {
      const result = program(inputs, Object.fromEntries(names.map((name, i) => [name, values[i]!])));
      figures = result.figures ?? {};
      for (const figure of Object.values(figures)) tf.keep(figure);
      return result.loss.asScalar();
    })(names.map((name) => weights[name]!));
    return {
      loss: value,
      ...Object.fromEntries(Object.entries(figures).map(([name, figure]) => [figurePrefix + name, figure])),
      ...Object.fromEntries(names.map((name, i) => [gradientPrefix + name, grads[i]!])),
    };
  };
}
