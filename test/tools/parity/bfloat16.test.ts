import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openExecution } from '../../../tools/parity/execution.js';
import { readFixture } from '../../../tools/parity/fixture.js';
import { modelKind } from '../../../tools/parity/kinds/model.js';
import { whyNoBfloat16 } from '../../support/bfloat16.js';

const folder = 'test/fixtures';
/** Largest rounding of a factor of a product. */
const rounding = 2 ** -9;

/**
 * Differences from the reference, of the largest number among outputs, or among the gradients of all parameters: those of
 * single position biases are what large terms leave when they cancel. Two roundings and a half were seen, seven of guided
 * outputs, where guidance multiplies the difference of two outputs.
 */
const allowed = (name: string): number => (name === 'cfg_out' ? 10 : 4) * rounding;

test.each(readdirSync(folder).filter((name) => modelKind.files.test(name)))(
  '%s: outputs and gradients with products in bfloat16 are those of the reference, within a few roundings',
  async (name) => {
    const path = `${folder}/${name}`;
    const { tensors } = await readFixture(path);
    const largest = (...names: string[]) =>
      names
        .flatMap((each) => Array.from(tensors.get(each)!.data, Number))
        .reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const ofGradients = largest(...[...tensors.keys()].filter((each) => each.startsWith('grad.')));
    const execution = openExecution('traced', { precision: 'bfloat16', rewriting: false });
    try {
      const differences = new Map<string, number>();
      for (const check of await modelKind.checks(path, execution)) {
        const scale = check.name.startsWith('grad.') ? ofGradients : largest(check.name);
        differences.set(check.name, (await check.run()).difference / scale);
      }
      for (const [each, difference] of differences) expect(difference, each).toBeLessThan(allowed(each));
      // In float32 it would be a hundredth of that.
      if (whyNoBfloat16 === undefined) expect(differences.get('out')).toBeGreaterThan(rounding / 10);
    } finally {
      await execution.close();
    }
  },
);
