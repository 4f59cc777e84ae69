import type { PretrainedConfig } from '../../generated/index.js';

/** True when names of classes are in a file. */
export const isFile = (classes: PretrainedConfig['classes']): classes is { file: string } =>
  classes !== undefined && !Array.isArray(classes);
