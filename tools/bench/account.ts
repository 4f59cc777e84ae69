import type { StepStats } from '../../src/tensorflow/index.js';

/** Kinds of operations by what they are for: the first whose pattern fits. */
const kinds = {
  'products with weights': /^_?(Mkl|MklNative)?(Fused)?MatMul$/,
  'products of attention': /BatchMatMul/,
  'softmax and its gradient': /softmax|^biased_scores/i,
  'norms and gates': /LayerNorm|^(ada_norm|modulated|gated_|layer_norm|rms_norm)/,
  GELU: /^gelu/,
  'mediators, convolution of values': /^(window_means|spread_over_windows|with_detail|value_map)|Conv2d/,
  'transpositions, parts, casts': /Transpose|Concat|Split|Slice|Cast|Pad/,
  'sums of gradients': /^(Add(N|V2)?|Sum|sum_of_.*|factor_sum)$/,
  'optimizer, averages, norm of gradients': /^(ResourceApply|Sub$|L2Loss)/,
} as const;

type Kind = keyof typeof kinds | 'what is left' | 'nothing runs';

/**
 * Seconds of a step by kind, all of it accounted for: each moment goes in equal parts to the operations that run at it, and
 * to `nothing runs` where none does. The mean over steps.
 */
export function accountOf(steps: readonly StepStats[]): ReadonlyMap<Kind, number> {
  const account = new Map<Kind, number>();
  const add = (kind: Kind, us: number) =>
    account.set(kind, (account.get(kind) ?? 0) + us / steps.length / 1e6);
  for (const step of steps) {
    const moments = step
      .flatMap(({ operation, startUs, durationUs }) => {
        const kind = kindOf(operation);
        return [
          { kind, at: startUs, change: 1 },
          { kind, at: startUs + durationUs, change: -1 },
        ];
      })
      .sort((a, b) => a.at - b.at);
    const running = new Map<Kind, number>();
    let before = moments[0]?.at ?? 0;
    for (const { kind, at, change } of moments) {
      const count = [...running.values()].reduce((sum, each) => sum + each, 0);
      if (count === 0) add('nothing runs', at - before);
      for (const [each, own] of running) add(each, ((at - before) * own) / Math.max(count, 1));
      running.set(kind, (running.get(kind) ?? 0) + change);
      before = at;
    }
  }
  return new Map([...account].sort(([, a], [, b]) => b - a));
}

function kindOf(operation: string): Kind {
  // Fused functions are numbered.
  const named = operation.replace(/_\d+$/, '');
  const [kind = 'what is left'] = Object.entries(kinds).find(([, pattern]) => pattern.test(named)) ?? [];
  return kind as Kind;
}
