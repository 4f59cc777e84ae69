import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pipelineSchema, type SchemaError, type Validator, validatorFile } from './schema.js';

/** Validator as the build wrote it, where there was one; compiling it takes longer than all else. */
const validate: Validator = existsSync(validatorFile)
  ? (createRequire(import.meta.url)(validatorFile) as Validator)
  : (await import('./compile-validator.js')).compileValidator(pipelineSchema());

/** Lists everything that is wrong with a pipeline by its schema. */
export function schemaErrors(pipeline: unknown): readonly SchemaError[] {
  return validate(pipeline) ? [] : (validate.errors ?? []);
}
