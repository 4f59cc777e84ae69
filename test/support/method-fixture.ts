import { readFileSync } from 'node:fs';
import { float32, type HostTensor } from '../../src/tensorflow/index.js';
import { fixturePath } from './fixture-checks.js';

/** A tensor of the fixture. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export const hostOf = ({ shape, data }: Numbers): HostTensor => float32(shape, Float32Array.from(data));

/** Part of what public PyTorch code gives for methods of training. */
export const methodFixture = (): unknown =>
  JSON.parse(readFileSync(fixturePath('methods/expected.json'), 'utf8'));
