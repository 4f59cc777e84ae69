import { centreCrop } from '../../../src/data/images/crop.js';
import { type Check, expectNear, type HostFixtureKind, notUnderstood } from '../check.js';
import { type Fixture, readFixture, specNumber, statedTolerance, stored } from '../fixture.js';

/** Share of values that must be equal, where the spec does not tell one as `equal in 99 % of values`. */
const usualShare = 0.99;

/** Images cropped and resized as ADM does with Pillow. */
export const centerCropKind: HostFixtureKind = {
  name: 'center_crop',
  files: /^center_crop.*\.safetensors$/,
  programs: false,
  async checks(path) {
    const fixture = await readFixture(path);
    return [...fixture.tensors.keys()].flatMap((name) => checksOf(fixture, name));
  },
};

function checksOf(fixture: Fixture, name: string): Check[] {
  const [, kind, number] = /^(in|out)(\d+)$/.exec(name) ?? [];
  const input = `in${number ?? ''}`;
  if (kind === 'in' && fixture.tensors.has(`out${number ?? ''}`)) return [];
  if (kind !== 'out' || !fixture.tensors.has(input)) return [notUnderstood(name)];
  const expected = stored(fixture, name);
  const size = specNumber(fixture, 'size');
  const cropped = (): { shape: readonly number[]; data: Uint8Array } => {
    const { shape, data } = stored(fixture, input);
    const [height = 0, width = 0] = shape;
    return { shape: [size, size, 3], data: centreCrop({ width, height, data: data as Uint8Array }, size) };
  };
  const share = shareInWords(fixture);
  return [
    expectNear(name, expected, { absolute: statedTolerance(fixture, 1) }, cropped),
    expectNear(`${name}, share of unequal values`, 0, { absolute: 1 - share }, () => {
      const { data } = cropped();
      return data.filter((value, i) => value !== expected.data[i]).length / data.length;
    }),
  ];
}

function shareInWords({ spec }: Fixture): number {
  const words = typeof spec.tolerance === 'string' ? spec.tolerance : '';
  const found = /equal in (\d+(?:\.\d+)?) ?%/.exec(words);
  return found === null ? usualShare : Number(found[1]) / 100;
}
