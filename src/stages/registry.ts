import type { StageRegistry } from '../pipeline/registry.js';
import type { StageKind } from '../pipeline/stage.js';

const names = ['images', 'autoencoder', 'encode', 'train', 'sample', 'report'] as const;

/** The kinds of stages there are. Each is loaded when a pipeline first uses it: some bring the native library with them. */
export const stageRegistry: StageRegistry = {
  names,
  load: async (name) => {
    if (!(names as readonly string[]).includes(name)) throw new Error(`There is no stage kind ${name}.`);
    const module = (await import(`./${name}/index.js`)) as { readonly stage: StageKind<unknown> };
    return module.stage;
  },
};
