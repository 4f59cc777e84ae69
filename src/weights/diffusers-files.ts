import { basename, dirname, join } from 'node:path';

export const diffusersConfigName = 'config.json';
/** Names of the weights in order of preference: whole before shards, single before half precision. */
export const diffusersWeightsNames = [
  'diffusion_pytorch_model.safetensors',
  'diffusion_pytorch_model.safetensors.index.json',
  'diffusion_pytorch_model.bin',
  'diffusion_pytorch_model.bin.index.json',
  'diffusion_pytorch_model.fp16.safetensors',
  'diffusion_pytorch_model.safetensors.index.fp16.json',
  'diffusion_pytorch_model.fp16.bin',
] as const;

/** Folder of the autoencoder in that of a whole pipeline of diffusers. */
export const pipelinePart = 'vae';

/** The configuration that belongs to a file of weights by its name. */
export const configBeside = (file: string): string | undefined =>
  diffusersWeightsNames.some((name) => name === basename(file))
    ? join(dirname(file), diffusersConfigName)
    : undefined;
