import { choose, float32, tf, traceUpdate } from '../tensorflow/index.js';
import type { Feed, Output, Session, SessionVariable, Tensor, Tensors } from '../tensorflow/index.js';
import { AdamW, adamwStep, biasCorrections } from './adamw.js';
import { powerShares } from './averages.js';
import type { AdamWSlot, AdamWState, AdamWStep } from './adamw.js';
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

/** Operations for each parameter, behind a switch. */
const plainUpdate: typeof writeUpdate = (session, options, slots, loss, gradients) => {
  const { graph } = session;
  const { optimizer, averageDecays, gradientClip } = options;
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
  const targets = adamw.update(slots, clipped(), finite);
  return { norm, finite, targets, feeds: (step) => adamw.feeds(step) };
};

/** One operation for all parameters, with a mask: so that the host need not learn in mid-step whether to go on. */
const compiledUpdate: typeof writeUpdate = (session, options, slots, loss, gradients) => {
  const { graph } = session;
  const { optimizer, averageDecays, gradientClip } = options;
  const variables: Record<string, SessionVariable> = {};
  for (const [i, { weights, firstMoment, secondMoment, averages }] of slots.entries()) {
    Object.assign(variables, { [`weights ${i}`]: weights, [`first ${i}`]: firstMoment });
    variables[`second ${i}`] = secondMoment;
    for (const [j, average] of averages.entries()) variables[`average ${j} ${i}`] = average;
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

  const rateCount = 3 + powerShares(averageDecays, 0).length;
  const rates = graph.placeholder('float32', [rateCount]);
  const inputs = {
    rates,
    loss,
    ...Object.fromEntries(gradients.map((gradient, i) => [`gradient ${i}`, gradient])),
  };
  const program = ({ rates, loss, ...given }: Tensors, old: Tensors): Tensors => {
    const all = Object.values(group(given, 'gradient'));
    const norm = tf.addN(all.map((gradient) => gradient.square().sum())).sqrt();
    const finite = loss!.isFinite().logicalAnd(norm.isFinite());
    const factor = gradientClip === 0 ? undefined : tf.div(gradientClip, norm.maximum(gradientClip));
    const clipped = all.map((gradient) => (factor === undefined ? gradient : gradient.mul(factor)));
    const [learningRate, first, second, ...shares] = tf
      .split(rates!.as1D(), rateCount)
      .map((rate) => rate.asScalar()) as [Tensor, Tensor, Tensor, ...Tensor[]];
    const corrections = [first, second] as const;
    const state: AdamWState = {
      weights: group(old, 'weights'),
      firstMoment: group(old, 'first'),
      secondMoment: group(old, 'second'),
      averages: averageDecays.map((_, j) => group(old, `average ${j}`)),
    };
    const gradientOf = Object.fromEntries(clipped.map((gradient, i) => [String(i), gradient]));
    const next = adamwStep(optimizer, averageDecays, state, gradientOf, {
      learningRate,
      corrections,
      shares,
    });
    const updated = [
      ...regrouped(next.weights, 'weights'),
      ...regrouped(next.firstMoment, 'first'),
      ...regrouped(next.secondMoment, 'second'),
      ...next.averages.flatMap((average, j) => regrouped(average, `average ${j}`)),
    ];
    return {
      norm,
      finite,
      ...Object.fromEntries(updated.map(([name, value]) => [name, choose(finite, value, old[name]!)])),
    };
  };
  const { outputs, effects } = traceUpdate(session, program, inputs, variables);
  return {
    norm: outputs.norm!,
    finite: outputs.finite!,
    targets: effects,
    feeds: ({ learningRate, updates }) => {
      const values = [
        learningRate,
        ...biasCorrections(optimizer, updates),
        ...powerShares(averageDecays, updates),
      ];
      return [[rates, float32([rateCount], Float32Array.from(values))]];
    },
  };
};
