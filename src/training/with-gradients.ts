import { type Program, type Scalar, type Tensor, type Tensors, tf } from '../tensorflow/index.js';
import type { LossProgram } from './trainer.js';

const gradientPrefix = 'gradient ';
const figurePrefix = 'figure ';
/** The input that the loss is multiplied by, and its gradients with it. */
export const scaleInput = 'loss scale';

/** The program that also returns the loss's gradients by every weight, multiplied by the input `scaleInput` where given. */
export function withGradients(program: LossProgram): Program<Tensors, Tensors> {
  return ({ [scaleInput]: scale, ...inputs }, weights) => {
    const names = Object.keys(weights);
    let figures: Readonly<Record<string, Tensor>> = {};
    const { value, grads } = tf.valueAndGrads((...values: Tensor[]) => {
      const result = program(inputs, Object.fromEntries(names.map((name, i) => [name, values[i]!])));
      figures = result.figures ?? {};
      for (const figure of Object.values(figures)) tf.keep(figure);
      return result.loss.asScalar();
    })(
      names.map((name) => weights[name]!),
      scale as Scalar | undefined,
    );
    return {
      loss: value,
      ...Object.fromEntries(Object.entries(figures).map(([name, figure]) => [figurePrefix + name, figure])),
      ...Object.fromEntries(names.map((name, i) => [gradientPrefix + name, grads[i]!])),
    };
  };
}

/** What `withGradients` returned, sorted: figures by their names, and the gradients of the named weights. */
export function gradientResults<T>(
  { loss, ...others }: Readonly<Record<string, T>>,
  names: readonly string[],
): { readonly loss: T; readonly figures: Readonly<Record<string, T>>; readonly gradients: readonly T[] } {
  const figures = Object.entries(others).filter(([name]) => name.startsWith(figurePrefix));
  return {
    loss: loss!,
    figures: Object.fromEntries(figures.map(([name, value]) => [name.slice(figurePrefix.length), value])),
    gradients: names.map((name) => others[gradientPrefix + name]!),
  };
}
