import { UserError } from '../../errors.js';
import { type TorchValue, TorchTensor, openTorchCheckpoint } from '../pytorch/index.js';
import { toFloat32 } from '../safetensors/index.js';
import { type StateDict, unwrapped } from './state-dict.js';
import type { WeightsFile } from './weights-file.js';

/** Where training scripts put the weights, by what they hold. */
const places = { model: ['model', 'state_dict', 'model_state_dict'], ema: ['ema'] } as const;

type Entries = Readonly<Record<string, TorchValue>>;

/**
 * Opens a PyTorch checkpoint that is a dictionary of state dicts, or a state dict itself.
 *
 * @throws UserError as `openTorchCheckpoint`; `checkpoint-without-weights` where there is neither.
 */
export async function openPytorchWeights(path: string): Promise<WeightsFile> {
  const checkpoint = await openTorchCheckpoint(path);
  const top = entriesOf(checkpoint.value);
  const close = () => checkpoint.close();
  if (Object.values(top).some((value) => value instanceof TorchTensor))
    return { path, parts: { model: stateDict(top, path) }, facts: {}, close };
  const find = (part: keyof typeof places): StateDict | undefined => {
    const key = places[part].find((name) => Object.hasOwn(top, name));
    return key === undefined ? undefined : stateDict(entriesOf(top[key]), path);
  };
  const [model, ema] = [find('model'), find('ema')];
  if (model === undefined && ema === undefined) {
    await close();
    const keys = Object.keys(top);
    throw new UserError({
      code: 'checkpoint-without-weights',
      message: `${path}: expected a state dict, or "model" or "ema" with one; found ${keys.length === 0 ? 'neither' : `the keys ${keys.join(', ')}`}.`,
      remedy: 'Save the weights with torch.save({"model": model.state_dict()}, path).',
    });
  }
  const used = new Set<string>([...places.model, ...places.ema]);
  const facts = Object.fromEntries(Object.entries(top).filter(([key]) => !used.has(key)));
  return { path, parts: { ...(model && { model }), ...(ema && { ema }) }, facts, close };
}

/** The members of a dictionary; none for anything else. */
export function entriesOf(value: TorchValue | undefined): Entries {
  const isDictionary =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof TorchTensor) &&
    !(value instanceof Uint8Array);
  return isDictionary ? (value as Entries) : {};
}

function stateDict(entries: Entries, path: string): StateDict {
  const tensors = Object.entries(entries).flatMap(([name, tensor]) =>
    tensor instanceof TorchTensor
      ? [
          [
            name,
            { shape: tensor.shape, read: async () => toFloat32(await tensor.read(), name, path) },
          ] as const,
        ]
      : [],
  );
  return unwrapped(new Map(tensors));
}
