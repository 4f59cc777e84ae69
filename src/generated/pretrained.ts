// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Takes a trained model from a file: a checkpoint of the PyTorch reference or of this project.
 */
export interface PretrainedConfig {
  /**
   * A checkpoint or state dict of the reference (.pt or .safetensors), or a folder with the model.json of this project; relative to the pipeline file. `hf://owner/name/file@revision` is a file of a repository on Hugging Face, downloaded once into the cache that its libraries share. The tensors determine the model's sizes, and all of them are checked.
   */
  path: string;
  /**
   * Weights to take from a checkpoint that has the last ones and their moving average. `all` keeps both apart; `ema` and `raw` use one of them as both.
   */
  weights: 'all' | 'ema' | 'raw';
  /**
   * Which tensors to take, where several dictionaries of a checkpoint fit the model: the keys that lead to them, joined by dots. One stands for the weights and for their average; of two, the second is the average. Without it: the one that fits, and the one that fits under a key of an average, such as `ema`.
   */
  key?: string | string[];
  /**
   * Attention heads. Needed only if neither mediators nor the width and depth of one of the paper's models determine them. Unit: heads.
   */
  heads?: number;
  /**
   * Share of labels that training replaced by the null class; 0 if there is no null class. Default: 0.1 as in the reference, or 0 if the checkpoint's options count as many classes as there are rows of labels.
   */
  labelDropout?: number;
  /**
   * Path between noise and data that the model was trained on. Default: the path that the file states, or else `linear`.
   */
  interpolant?: 'linear' | 'gvp' | 'vp';
  /**
   * Output of the network. Default: the one that the file states, or else `velocity`.
   */
  prediction?: 'velocity' | 'score' | 'noise' | 'data';
  /**
   * Factor that latents were multiplied by for training. Default: 0.18215, as for the autoencoder of Stable Diffusion. Folders of this project state their own.
   */
  scalingFactor?: number;
  /**
   * Number that was subtracted from latents before they were multiplied, as for the autoencoders of SD3 and FLUX. Default: 0. Folders of this project state their own.
   */
  shiftFactor?: number;
  /**
   * Names of the classes in the order of the labels, for a model without names of its own, or its own names: a list, or a file with one name per line or a JSON array. Default: the model's names, or numbers from 0.
   */
  classes?: string[] | ClassesFile;
}
export interface ClassesFile {
  /**
   * Text with one name per line, or an id and a name such as `LOC_synset_mapping.txt`, or a .json file with an array of names; relative to the pipeline file.
   */
  file: string;
}
