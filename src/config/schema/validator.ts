import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ErrorObject } from 'ajv';
import { pipelineSchema, validatorFile } from './schema.js';

/** What a value gets wrong, as ajv tells it; `parentSchema` and `data` are always there. */
export type SchemaError = ErrorObject;

/** Whether a value is valid; `errors` are those of the last call. */
export interface Validator {
  (value: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

/** As the build wrote it, where there was one; compiling it takes longer than all else. */
const validate: Validator = existsSync(validatorFile)
  ? (createRequire(import.meta.url)(validatorFile) as Validator)
  : (await import('./compile-validator.js')).compileValidator(pipelineSchema());

/** Everything that is wrong with a pipeline by its schema. */
export function schemaErrors(pipeline: unknown): readonly SchemaError[] {
  return validate(pipeline) ? [] : (validate.errors ?? []);
}
