import type { SiTConfig } from './config.js';
import { referenceShapes } from './reference-state.js';

/** Where PyTorch meets parameters: those of a module itself, then of the modules in it, in the order of its constructor. */
const modules = ['pos_embed', 'x_embedder.', 't_embedder.', 'y_embedder.', 'blocks.', 'final_layer.'];
const inBlock = [
  ...['an', 'na', 'ah', 'aw', 'ha', 'wa'].map((bias) => `attn.${bias}_bias`),
  ...['attn.qkv.', 'attn.q_norm.', 'attn.k_norm.', 'attn.proj.', 'attn.dwc.'],
  ...['mlp.fc1.', 'mlp.fc2.', 'adaLN_modulation.'],
];
const inFinal = ['linear.', 'adaLN_modulation.'];
const leaves = ['weight', 'bias'];

/** Names of the reference's parameters in the order of `model.parameters()`, by whose numbers optimizers keep state. */
export function referenceOrder(config: SiTConfig): string[] {
  const ranked = [...referenceShapes(config).keys()].map((name) => ({ name, rank: rankOf(name) }));
  ranked.sort((a, b) => a.rank.reduce((order, value, i) => order || value - b.rank[i]!, 0));
  return ranked.map(({ name }) => name);
}

/** Numbers to compare from the first: module, number in it (block or layer), part, weight before bias. */
function rankOf(name: string): readonly number[] {
  const index = (list: readonly string[], text: string) => list.findIndex((start) => text.startsWith(start));
  const module = index(modules, name);
  const [, number = '0', rest = ''] = /^\w+\.(?:mlp\.)?(\d+)?\.?(.*)$/.exec(name) ?? [];
  const part = modules[module] === 'blocks.' ? index(inBlock, rest) : index(inFinal, rest);
  return [module, Number(number), part, leaves.findIndex((leaf) => name.endsWith(leaf))];
}
