import type { PretrainedConfig } from '../../config/generated/index.js';

/** Whether names of classes are in a file. */
export const isFile = (classes: PretrainedConfig['classes']): classes is { file: string } =>
  classes !== undefined && !Array.isArray(classes);
