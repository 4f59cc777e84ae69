import { writePlainSync } from '../../base/files.js';
import { validatorProgram } from './compile-validator.js';
import { pipelineSchema, validatorFile } from './schema.js';

/** `node dist/runner/schema/write-validator.js`, the last step of the build: writes the check of pipelines beside its loader. */

writePlainSync(validatorFile, validatorProgram(pipelineSchema()));
