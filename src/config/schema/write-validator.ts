/** `node dist/config/schema/write-validator.js`, the last step of the build: writes the check of pipelines beside its loader. */
import { writeFileSync } from 'node:fs';
import { validatorProgram } from './compile-validator.js';
import { pipelineSchema } from './schema.js';

writeFileSync(new URL('pipeline-validator.cjs', import.meta.url), validatorProgram(pipelineSchema()));
