import { openTensors } from '../safetensors/index.js';
import { type StateDict, unwrapped } from './state-dict.js';
import type { WeightsFile } from './weights-file.js';

const partPrefix = /^(model|ema)\./;

/** Opens a safetensors file, or the index of several: one state dict, or two whose names begin with `model.` and `ema.`. */
export async function openSafetensorsWeights(path: string): Promise<WeightsFile> {
  const file = await openTensors(path);
  const state: StateDict = new Map(
    [...file.tensors].map(([name, { shape }]) => [name, { shape, read: () => file.readFloat32(name) }]),
  );
  const close = () => file.close();
  const names = [...state.keys()];
  if (names.length === 0 || !names.every((name) => partPrefix.test(name)))
    return { path, parts: { model: unwrapped(state) }, facts: {}, close };
  const part = (prefix: string): StateDict | undefined => {
    const members = [...state].filter(([name]) => name.startsWith(prefix));
    if (members.length === 0) return undefined;
    return unwrapped(new Map(members.map(([name, tensor]) => [name.slice(prefix.length), tensor])));
  };
  const [model, ema] = [part('model.'), part('ema.')];
  return { path, parts: { ...(model && { model }), ...(ema && { ema }) }, facts: {}, close };
}
