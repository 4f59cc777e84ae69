import type { Parameter } from '../../nn/parameter.js';
import { permute } from '../../formats/typed-arrays.js';
import { float32, type HostTensor } from '../../tensorflow/data-types.js';
import type { SiTConfig } from './config.js';

/** Place of a parameter in the PyTorch reference, and the difference in layout. */
interface ReferencePlace {
  readonly name: string;
  /** The reference's shape. */
  readonly shape: readonly number[];
  /** Our axes in the reference's order, after viewing ours as `view`. */
  readonly order: readonly number[];
  readonly view: readonly number[];
}

/** The one map between our parameter names and the reference's. All differences of layout are here. */
export function referencePlace({ name, shape }: Parameter, config: SiTConfig): ReferencePlace {
  const [, block, rest] = /^(?:blocks\.(\d+)\.)?(.*)$/.exec(name) as unknown as [
    string,
    string | undefined,
    string,
  ];
  const prefix = block === undefined ? '' : `blocks.${block}.`;
  const same = (to: string, referenceShape: readonly number[] = shape): ReferencePlace => ({
    name: prefix + to,
    shape: referenceShape,
    view: shape,
    order: shape.map((_, i) => i),
  });
  const linear = /^(.*)\.(weight|bias)$/.exec(rest);
  const gated: Readonly<Record<string, string>> = config.swiGlu === true ? gatedModules : {};
  const module = linear === null ? undefined : (gated[linear[1]!] ?? linearModules[linear[1]!]);
  if (module !== undefined && linear !== null) {
    if (linear[2] === 'bias') return same(`${module}.bias`);
    return { name: `${prefix}${module}.weight`, shape: [shape[1]!, shape[0]!], view: shape, order: [1, 0] };
  }
  const { patchSize: p, channels: c } = config;
  const d = shape.at(-1)!;
  switch (rest) {
    case 'patchEmbedding.weight':
      return { name: 'x_embedder.proj.weight', shape: [d, c, p, p], view: [p, p, c, d], order: [3, 2, 0, 1] };
    case 'patchEmbedding.bias':
      return same('x_embedder.proj.bias');
    case 'labelEmbedding':
      return same('y_embedder.embedding_table.weight');
    case 'attention.depthwise.weight':
      return {
        name: `${prefix}attn.dwc.weight`,
        shape: [shape[2]!, 1, 3, 3],
        view: shape,
        order: [2, 3, 0, 1],
      };
    case 'attention.depthwise.bias':
      return same('attn.dwc.bias');
    // The reference has none of what follows. Norms with a scale and gated layers have LightningDiT's names, shares of the
    // first block's values SpeedrunDiT's, norms of queries and keys timm's, whose attention the plain blocks are.
    case 'attentionNorm.weight':
      return same('norm1.weight');
    case 'mlpNorm.weight':
      return same('norm2.weight');
    case 'final.norm.weight':
      return same('final_layer.norm_final.weight');
    case 'attention.queryNorm.weight':
      return same('attn.q_norm.weight');
    case 'attention.queryNorm.bias':
      return same('attn.q_norm.bias');
    case 'attention.keyNorm.weight':
      return same('attn.k_norm.weight');
    case 'attention.keyNorm.bias':
      return same('attn.k_norm.bias');
    case 'attention.valueResidual.share':
      return same('attn.v1_lambda');
    case 'attention.mediatorBias.table':
      return same('attn.an_bias');
    case 'attention.mediatorBias.row':
      return same('attn.ah_bias', [1, ...shape, 1]);
    case 'attention.mediatorBias.column':
      return same('attn.aw_bias', [1, shape[0]!, shape[1]!, 1, shape[2]!]);
    case 'attention.queryBias.table':
      return same('attn.na_bias');
    case 'attention.queryBias.row':
      return same('attn.ha_bias', [1, shape[0]!, shape[1]!, 1, shape[2]!]);
    case 'attention.queryBias.column':
      return same('attn.wa_bias', [1, shape[0]!, 1, shape[1]!, shape[2]!]);
    default:
      throw new Error(`The parameter ${name} has no place in the reference.`);
  }
}

const linearModules: Readonly<Record<string, string>> = {
  'timestepEmbedding.in': 't_embedder.mlp.0',
  'timestepEmbedding.out': 't_embedder.mlp.2',
  modulation: 'adaLN_modulation.1',
  'attention.qkv': 'attn.qkv',
  'attention.projection': 'attn.proj',
  'mlp.in': 'mlp.fc1',
  'mlp.out': 'mlp.fc2',
  'final.modulation': 'final_layer.adaLN_modulation.1',
  'final.projection': 'final_layer.linear',
};

const gatedModules: Readonly<Record<string, string>> = { 'mlp.in': 'mlp.w12', 'mlp.out': 'mlp.w3' };

/** A parameter's values from the reference's layout into ours. */
export function fromReference(values: Float32Array, parameter: Parameter, config: SiTConfig): HostTensor {
  const { view, order } = referencePlace(parameter, config);
  const inverse = order.map((_, axis) => order.indexOf(axis));
  const theirs = order.map((axis) => view[axis]!);
  return float32(parameter.shape, permute(values, theirs, inverse));
}

/** A parameter's values from our layout into the reference's. */
export function toReference(values: Float32Array, parameter: Parameter, config: SiTConfig): HostTensor {
  const { shape, view, order } = referencePlace(parameter, config);
  return float32(shape, permute(values, view, order));
}
