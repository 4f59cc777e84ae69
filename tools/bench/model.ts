import type { TrainConfig } from '../../src/generated/index.js';
import { mediatorsPerBlock, type SiTConfig } from '../../src/models/sit/config.js';
import { withDefaults } from '../../src/runner/schema/defaults.js';
import { readSchema } from '../../src/runner/schema/schema.js';
import { invalidOption } from './command-line.js';

/** Classes of ImageNet, and channels of its latents, as the reference has them. */
const classes = 1000;
const channels = 4;

/** A model of the paper by its name, such as `SiT-S/2`. */
export function namedModel(name: string, mediators: number, latentSize: number): SiTConfig {
  const schema = readSchema('stages/train.schema.json').properties!.model!;
  const names = schema.properties!.name!.enum as readonly string[];
  if (!names.includes(name)) throw invalidOption('--model', `one of ${names.join(', ')}`, name);
  if (!Number.isInteger(Math.sqrt(mediators)))
    throw invalidOption('--mediators', 'a perfect square, or 0', mediators);
  const model = withDefaults(schema, { name, mediators }) as TrainConfig['model'];
  if (latentSize < 1 || latentSize % model.patchSize !== 0)
    throw invalidOption('--latent', `a multiple of the patch size ${model.patchSize}`, latentSize);
  const { hiddenSize, depth, heads, patchSize, labelDropout } = model;
  const sizes = { latentSize, channels, classes, hiddenSize, depth, heads, patchSize, labelDropout };
  return { ...sizes, mediators: mediatorsPerBlock(model) };
}
