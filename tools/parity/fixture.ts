import { basename } from 'node:path';
import { UserError } from '../../src/base/errors.js';
import type { TensorData } from '../../src/formats/safetensors/header.js';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { float32, type HostTensor, sizeOf } from '../../src/tensorflow/index.js';
import { channelsLast } from './layout.js';

/** A file of numbers that another implementation computed, with what its metadata `spec` says about them. */
export interface Fixture {
  /** The file's name without its ending. */
  readonly name: string;
  readonly path: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

/**
 * Reads a fixture whole.
 *
 * @throws UserError where the file is no safetensors file, or its `spec` is no JSON object.
 */
export async function readFixture(path: string): Promise<Fixture> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, TensorData>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    const spec = parseSpec(file.metadata.spec, path);
    return { name: basename(path).replace(/\.[^.]*$/, ''), path, spec, tensors };
  } finally {
    await file.close();
  }
}

/** A tensor of a fixture, as it is in the file. */
export function stored({ path, tensors }: Fixture, name: string): TensorData {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new UserError({ code: 'fixture-incomplete', message: `${path}: holds no tensor "${name}".` });
}

/** A tensor of a fixture in single precision and with channels last, as programs want it. */
export function programInput(fixture: Fixture, name: string): HostTensor {
  const { shape, data } = stored(fixture, name);
  return channelsLast(float32(shape, Float32Array.from(data as ArrayLike<number>)));
}

/** Element `index` of the first axis. */
export function slice({ shape, data }: HostTensor, index: number): HostTensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  return float32(rest, Float32Array.from(data.subarray(index * size, (index + 1) * size)));
}

/** A number of the spec. */
export function specNumber({ path, spec }: Fixture, key: string, fallback?: number): number {
  const value = spec[key] ?? fallback;
  if (typeof value === 'number') return value;
  throw new UserError({
    code: 'fixture-incomplete',
    message: `${path}: its spec has no number "${key}", found ${JSON.stringify(value)}.`,
  });
}

/** A text of the spec. */
export function specText({ path, spec }: Fixture, key: string, fallback?: string): string {
  const value = spec[key] ?? fallback;
  if (typeof value === 'string') return value;
  throw new UserError({
    code: 'fixture-incomplete',
    message: `${path}: its spec has no text "${key}", found ${JSON.stringify(value)}.`,
  });
}

/**
 * The tolerance that the spec's `tolerance` states in words: the first number in it, or the first one after `about`
 * where that is given and mentioned (`max abs 1e-4 relative; dopri5 2e-3`).
 */
export function statedTolerance({ spec }: Fixture, fallback: number, about?: string): number {
  const words = typeof spec.tolerance === 'string' ? spec.tolerance : '';
  const start = about === undefined ? -1 : words.indexOf(about);
  const number = /(?<![\w.])\d+(\.\d+)?(e[+-]?\d+)?(?![\w.])/;
  const found = number.exec(start < 0 ? words : words.slice(start + (about ?? '').length));
  return found === null ? fallback : Number(found[0]);
}

function parseSpec(text: string | undefined, path: string): Record<string, unknown> {
  try {
    const spec: unknown = JSON.parse(text ?? '');
    if (typeof spec === 'object' && spec !== null && !Array.isArray(spec))
      return spec as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new UserError({
    code: 'fixture-incomplete',
    message: `${path}: its metadata has no "spec" that is a JSON object.`,
  });
}
