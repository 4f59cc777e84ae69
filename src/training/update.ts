import { choose, float32, tf, traceUpdate } from '../tensorflow/index.js';
import type { Feed, Output, Session, SessionVariable, Tensor, Tensors } from '../tensorflow/index.js';
import { AdamW, biasCorrections, type AdamWSlot, type AdamWState, type AdamWStep } from './adamw.js';
import { powerShares } from './averages.js';
import { isOfMuon, matricesOfMuon, optimizerStep } from './optimizer.js';
import type { TrainerOptions } from './trainer.js';

/** The update of the state by a step's gradients, which does nothing where loss or gradients are not finite. */
export interface Update {
  /** Global norm of the gradients, before clipping. */
  readonly norm: Output;
  /** True when the update was made. */
  readonly finite: Output;
  /** Operations that make it. */
  readonly targets: readonly bigint[];
  feeds(step: AdamWStep): Feed[];
}

/** The update of a training in the session's graph. */
export function writeUpdate(
  session: Session,
  options: TrainerOptions,
  slots: readonly AdamWSlot[],
  loss: Output,
  gradients: readonly Output[],
): Update {
  return (session.compiles ? compiledUpdate : plainUpdate)(session, options, slots, loss, gradients);
}

/** Operations for each parameter, behind a switch; those of matrices that Muon updates together. */
const plainUpdate: typeof writeUpdate = (session, options, slots, loss, gradients) => {
  const { graph } = session;
  const { parameters, optimizer, averageDecays, gradientClip } = options;
  const squares = gradients.map((gradient) => graph.node('L2Loss', [gradient]));
  const norm = graph.node('Sqrt', [graph.node('Mul', [graph.node('AddN', squares), graph.scalar(2)])]);
  const finite = graph.node('LogicalAnd', [graph.node('IsFinite', [loss]), graph.node('IsFinite', [norm])]);
  const adamw = new AdamW(session, optimizer, averageDecays);
  const clipped = (): readonly Output[] => {
    if (gradientClip === 0) return gradients;
    const limit = graph.scalar(gradientClip);
    const factor = graph.node('Div', [limit, graph.node('Maximum', [norm, limit])]);
    return gradients.map((gradient) => graph.node('Mul', [gradient, factor]));
  };
  const trained = clipped().map((gradient, i) => ({
    ...{ gradient, slot: slots[i]!, parameter: parameters[i]! },
    isOfMuon: isOfMuon(optimizer, parameters[i]!),
  }));
  const ofMuon = trained.filter(({ isOfMuon }) => isOfMuon);
  const others = trained.filter(({ isOfMuon }) => !isOfMuon);
  const targets = adamw.update(
    others.map(({ slot }) => slot),
    others.map(({ gradient }) => gradient),
    finite,
  );
  if (ofMuon.length === 0) return { norm, finite, targets, feeds: (step) => adamw.feeds(step) };
  const rates = new Rates(session, options);
  const { names, updated } = maskedUpdate(
    { ...options, parameters: ofMuon.map(({ parameter }) => parameter) },
    ofMuon.map(({ slot }) => slot),
  );
  const { effects } = traceUpdate(
    session,
    ({ rates, finite, ...given }, old) => updated(rates!, finite!, Object.values(given), old),
    {
      ...{ rates: rates.output, finite },
      ...Object.fromEntries(ofMuon.map(({ gradient }, i) => [`gradient ${i}`, gradient])),
    },
    names,
  );
  return {
    ...{ norm, finite },
    targets: [...targets, ...effects],
    feeds: (step) => [...adamw.feeds(step), ...rates.feeds(step)],
  };
};

/** One operation for all parameters, with a mask: so that the host need not learn in mid-step whether to go on. */
const compiledUpdate: typeof writeUpdate = (session, options, slots, loss, gradients) => {
  const { gradientClip } = options;
  const { names, updated } = maskedUpdate(options, slots);
  const rates = new Rates(session, options);
  const program = ({ rates, loss, ...given }: Tensors, old: Tensors): Tensors => {
    const all = Object.values(given);
    const norm = tf.addN(all.map((gradient) => gradient.square().sum())).sqrt();
    const finite = loss!.isFinite().logicalAnd(norm.isFinite());
    const factor = gradientClip === 0 ? undefined : tf.div(gradientClip, norm.maximum(gradientClip));
    const clipped = all.map((gradient) => (factor === undefined ? gradient : gradient.mul(factor)));
    return { norm, finite, ...updated(rates!, finite, clipped, old) };
  };
  const inputs = {
    ...{ rates: rates.output, loss },
    ...Object.fromEntries(gradients.map((gradient, i) => [`gradient ${i}`, gradient])),
  };
  const { outputs, effects } = traceUpdate(session, program, inputs, names);
  return {
    norm: outputs.norm!,
    finite: outputs.finite!,
    targets: effects,
    feeds: (step) => rates.feeds(step),
  };
};

/** Scalars of an update that change from step to step, as one input. */
class Rates {
  readonly output: Output;
  private readonly count: number;

  constructor(
    session: Session,
    private readonly options: Pick<TrainerOptions, 'optimizer' | 'averageDecays'>,
  ) {
    this.count = 3 + powerShares(options.averageDecays, 0).length;
    this.output = session.graph.placeholder('float32', [this.count]);
  }

  feeds({ learningRate, updates }: AdamWStep): Feed[] {
    const { optimizer, averageDecays } = this.options;
    const values = [
      learningRate,
      ...biasCorrections(optimizer, updates),
      ...powerShares(averageDecays, updates),
    ];
    return [[this.output, float32([this.count], Float32Array.from(values))]];
  }
}

/** The update of all slots as a function of tensors, and the variables that it changes by the names of its results. */
function maskedUpdate(
  { parameters, optimizer, averageDecays }: TrainerOptions,
  slots: readonly AdamWSlot[],
): {
  readonly names: Readonly<Record<string, SessionVariable>>;
  /** New values, which are the old ones where `finite` is false. */
  readonly updated: (rates: Tensor, finite: Tensor, gradients: readonly Tensor[], old: Tensors) => Tensors;
} {
  const names: Record<string, SessionVariable> = {};
  for (const [i, { weights, firstMoment, secondMoment, averages }] of slots.entries()) {
    Object.assign(names, { [`weights ${i}`]: weights, [`first ${i}`]: firstMoment });
    if (secondMoment !== undefined) names[`second ${i}`] = secondMoment;
    for (const [j, average] of averages.entries()) names[`average ${j} ${i}`] = average;
  }
  const group = (from: Tensors, name: string): Tensors =>
    Object.fromEntries(
      slots.flatMap((_, i) => {
        const value = from[`${name} ${i}`];
        return value === undefined ? [] : [[String(i), value] as const];
      }),
    );
  const regrouped = (state: Tensors, name: string) =>
    Object.entries(state).map(([i, value]) => [`${name} ${i}`, value] as const);
  const updated = (rates: Tensor, finite: Tensor, gradients: readonly Tensor[], old: Tensors): Tensors => {
    const [learningRate, first, second, ...shares] = tf
      .split(rates.as1D(), rates.size)
      .map((rate) => rate.asScalar()) as [Tensor, Tensor, Tensor, ...Tensor[]];
    const state: AdamWState = {
      weights: group(old, 'weights'),
      firstMoment: group(old, 'first'),
      secondMoment: group(old, 'second'),
      averages: averageDecays.map((_, j) => group(old, `average ${j}`)),
    };
    const next = optimizerStep(
      optimizer,
      matricesOfMuon(optimizer, parameters.entries()),
      averageDecays,
      state,
      Object.fromEntries(gradients.map((gradient, i) => [String(i), gradient])),
      { learningRate, corrections: [first, second], shares },
    );
    const values = [
      ...regrouped(next.weights, 'weights'),
      ...regrouped(next.firstMoment, 'first'),
      ...regrouped(next.secondMoment, 'second'),
      ...next.averages.flatMap((average, j) => regrouped(average, `average ${j}`)),
    ];
    return Object.fromEntries(values.map(([name, value]) => [name, choose(finite, value, old[name]!)]));
  };
  return { names, updated };
}
