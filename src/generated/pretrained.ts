// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Takes a trained model from a file: a checkpoint of the PyTorch reference, or one of this project.
 */
export interface PretrainedConfig {
  /**
   * A checkpoint or state dict of the reference (.pt or .safetensors), or a folder with the model.json of this project; relative to the pipeline file. The model's sizes are worked out from its tensors, which are all checked.
   */
  path: string;
  /**
   * Which weights to take from a checkpoint that has the last ones and their moving average: `all` keeps both apart, `ema` and `raw` take one of them for both.
   */
  weights: 'all' | 'ema' | 'raw';
  /**
   * Which tensors to take, where several dictionaries of a checkpoint fit the model: the keys that lead to them, joined by dots. One stands for the weights and for their average; of two, the second is the average. Without it: the one that fits, and the one that fits under a key of an average, such as `ema`.
   */
  key?: string | string[];
  /**
   * Attention heads. Needed only where neither mediators nor the width and depth of one of the paper's models tell them. Unit: heads.
   */
  heads?: number;
  /**
   * Part of the labels that was replaced by the null class in training; 0 where there is no null class. Without it: 0.1 as in the reference, or 0 where the checkpoint's options count as many classes as there are rows of labels.
   */
  labelDropout?: number;
  /**
   * Path between noise and data that the model was trained on. Without it: what the file tells, or else `linear`.
   */
  interpolant?: 'linear' | 'gvp' | 'vp';
  /**
   * What the network outputs. Without it: what the file tells, or else `velocity`.
   */
  prediction?: 'velocity' | 'score' | 'noise';
  /**
   * What latents were multiplied by for training. Without it: 0.18215, as for the autoencoder of Stable Diffusion. A folder of this project tells it itself.
   */
  scalingFactor?: number;
  /**
   * Names of the classes in the order of the labels, for a model that has none of its own, or the same: a list, or a file with a name a line or a JSON array. Without it they are called as the model calls them, or by their numbers, from 0.
   */
  classes?: string[] | ClassesFile;
}
export interface ClassesFile {
  /**
   * Text with a name a line, or a .json file with an array of names; relative to the pipeline file.
   */
  file: string;
}
