import { ours } from '../../transport/reference-names.js';
import type { InterpolantName, Prediction } from '../../transport/index.js';
import type { SiTConfig } from './config.js';

/** What the reference's training options say of a model; each only where they do. */
export interface ReferenceArgs {
  /** Of an image of this size a latent is an eighth. */
  readonly imageSize?: number;
  readonly classes?: number;
  readonly mediators?: number;
  readonly interpolant?: InterpolantName;
  readonly prediction?: Prediction;
}

/** Image pixels along a side of one latent pixel, in the reference. */
export const referenceDownsample = 8;

/** Reads the options that the reference's scripts save with a checkpoint. What is of another type is passed over. */
export function readReferenceArgs(args: Readonly<Record<string, unknown>>): ReferenceArgs {
  const number = (key: string) => (typeof args[key] === 'number' ? args[key] : undefined);
  const text = (key: string) => (typeof args[key] === 'string' ? args[key] : undefined);
  const found = {
    imageSize: number('image_size'),
    classes: number('num_classes'),
    mediators: number('mediator_num'),
    interpolant: ours('interpolant', text('path_type')),
    prediction: ours('prediction', text('prediction')),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** Where the options contradict the shapes of the tensors that they were saved with. */
export function argsContradictions(args: ReferenceArgs, config: SiTConfig): string[] {
  const { imageSize, classes, mediators } = args;
  const told: readonly (readonly [key: string, said: number | undefined, found: readonly number[]])[] = [
    ['image_size', imageSize, [config.latentSize * referenceDownsample]],
    ['num_classes', classes, [config.classes]],
    ['mediator_num', mediators, [...new Set(config.mediators)]],
  ];
  return told
    .filter(([, said, found]) => said !== undefined && !found.includes(said))
    .map(([key, said, found]) => `its options say ${key} ${said!}, its tensors ${found.join(' and ')}`);
}
