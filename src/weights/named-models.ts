import { readSchema } from '../runner/schema/schema.js';

/** Sizes of a model that the paper names. */
export interface NamedModel {
  readonly name: string;
  readonly hiddenSize: number;
  readonly depth: number;
  readonly heads: number;
  readonly patchSize: number;
}

/** The paper's models, as the schema of `train` has them. */
export function namedModels(): NamedModel[] {
  const { properties } = readSchema('stages/train.schema.json').properties!.model!;
  return Object.entries(properties!.name!.presets!).map(
    ([name, sizes]) => ({ name, ...sizes }) as unknown as NamedModel,
  );
}
