import { fusesInTraining, type Tensor, tf } from '../tensorflow/index.js';
import { geluAgain, geluValue, sumOfRows } from './activations.js';
import { differentiable } from './differentiable.js';
import { linear } from './layers.js';
import { adaLayerNorm, adaNorm, adaNormAgain } from './norms.js';

/**
 * Factor of products, made of tensors that the gradient keeps in any case. The gradient makes it again in the loop that
 * computes its own gradient, which has read all that it takes: no time, and a third of a block's activations less.
 */
interface RemadeFactor {
  readonly make: (...args: Tensor[]) => { readonly value: Tensor; readonly saved: readonly Tensor[] };
  /** Gradients by the arguments, then the value. */
  readonly gradient: (dy: Tensor, ...saved: Tensor[]) => readonly Tensor[];
}

/** Products of such a factor, [..., inputs], with weights [inputs, outputs], and with a bias where there is one. */
function productsOf({ make, gradient }: RemadeFactor) {
  return (args: readonly Tensor[], weight: Tensor, bias?: Tensor): Tensor =>
    differentiable((weight: Tensor, ...others: Tensor[]) => {
      const { value, saved } = make(...others.slice(0, args.length));
      const given = bias === undefined ? [] : others.slice(args.length);
      const multiplied = tf.matMul(rowsOf(value), weight);
      const result = given.reduce((sum, bias) => sum.add(bias), multiplied);
      return {
        value: result.reshape([...value.shape.slice(0, -1), weight.shape[1]!]),
        saved: [weight, ...saved],
        gradient: (dy: Tensor, [weight, ...saved]: Tensor[]) => {
          const rows = rowsOf(dy);
          const dValue = tf.matMul(rows, weight!, false, true).reshape(value.shape);
          const gradients = [...gradient(dValue, ...saved)];
          const made = gradients.pop()!;
          return [
            tf.matMul(rowsOf(made), rows, true, false),
            ...gradients,
            ...given.map(() => sumOfRows(dy)),
          ];
        },
      };
    })(weight, ...args, ...(bias === undefined ? [] : [bias]));
}

const ofNorm = productsOf({
  make: (x, shift, scale) => {
    const [value, mean, inverse] = adaNorm(x, shift, scale);
    return { value, saved: [x, mean, inverse, scale, shift] };
  },
  gradient: (dy, x, mean, inverse, scale, shift) => adaNormAgain(dy, x, mean, inverse, scale, shift),
});

const ofGelu = productsOf({
  make: (x, bias) => ({ value: geluValue(x, bias)[0], saved: [x, bias] }),
  gradient: (dy, x, bias) => {
    const [dx, value] = geluAgain(dy, x, bias);
    return [dx, sumOfRows(dx), value];
  },
});

/**
 * An adaptive layer norm and a linear layer: adaLayerNorm(x, shift, scale)·W + b. The gradient keeps x, shift and scale,
 * each token's mean and inverse deviation, and the weight.
 */
export function modulatedLinear(
  x: Tensor,
  [shift, scale]: readonly [shift: Tensor, scale: Tensor],
  weight: Tensor,
  bias: Tensor,
): Tensor {
  return fusesInTraining(x)
    ? ofNorm([x, shift, scale], weight, bias)
    : linear(adaLayerNorm(x, shift, scale), weight, bias);
}

/**
 * The hidden layer of an MLP after an adaptive layer norm, and the product that follows it:
 * gelu(adaLayerNorm(x, shift, scale)·W₁ + b₁)·W₂. The gradient keeps what `modulatedLinear` does, and the first product.
 */
export function modulatedMlp(
  x: Tensor,
  [shift, scale]: readonly [shift: Tensor, scale: Tensor],
  first: { readonly weight: Tensor; readonly bias: Tensor },
  second: Tensor,
): Tensor {
  return ofGelu([ofNorm([x, shift, scale], first.weight), first.bias], second);
}

function rowsOf(x: Tensor): Tensor {
  return x.reshape([-1, x.shape.at(-1)!]);
}
