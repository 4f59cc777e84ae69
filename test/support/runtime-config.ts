import type { RuntimeConfig } from '../../src/generated/index.js';
import { withDefaults } from '../../src/runner/schema/defaults.js';
import { readSchema } from '../../src/runner/schema/schema.js';

/** The `runtime` of a pipeline that computes on the processor and says this of it, with the schema's defaults. */
export const runtimeConfig = (written: Partial<RuntimeConfig> = {}): RuntimeConfig =>
  withDefaults(readSchema('pipeline.schema.json').properties!.runtime!, {
    device: 'cpu',
    ...written,
  }) as RuntimeConfig;
