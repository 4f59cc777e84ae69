import { expect, it } from 'vitest';
import type { Run } from '../../src/runner/runs/run.js';
import { readQuery, runsSection } from '../../src/ui/pages/runs-page.js';

/** Four runs of two pipelines, the oldest first. */
const runs = (['a', 'b', 'a', 'b'] as const).map((pipeline, i) => ({
  id: `${pipeline}/2026-03-0${i + 1}T10-00-00.000Z`,
  directory: `/runs/${i}`,
  state: i === 2 ? 'failed' : 'finished',
  record: {
    pipeline,
    startedAt: `2026-03-0${i + 1}T10:00:00.000Z`,
    options: { set: [`stages.train.steps=${i}`], force: [] },
    stages: {},
  },
  seconds: [30, 10, 40, 20][i]!,
  beside: [],
  figures: i === 2 ? [] : [{ stage: 'train', name: 'loss', value: [0.3, 0.05, 0, 0.1][i]!, better: 'less' }],
  ...(i === 1 && { note: { name: 'baseline', tags: ['flips'], text: '' } }),
})) as unknown as readonly Run[];

/** The loss of the second run is one in other latents. */
const measures = new Map([0, 1, 3].map((i) => [runs[i]!, i === 1 ? 'loss in others' : 'loss']));

/** Days of the runs that a page shows, from its top, after an address. */
function shown(address: string): { readonly days: string; readonly text: string } {
  const query = readQuery(new URLSearchParams(address))!;
  const { body, title, lead } = runsSection(runs, query, measures);
  const days = [...body.text.matchAll(/name="run" value="[ab]\/2026-03-0(\d)/g)].map(([, day]) => day);
  return { days: days.join(''), text: [title, String(lead), body.text].join(' ') };
}

it.each([
  ['', '4321'],
  ['sort=oldest', '1234'],
  ['sort=longest', '3142'],
  ['sort=best', '4123'],
  ['sort=best&search=loss', '412'],
  ['sort=best&group=pipeline', '4213'],
  ['state=failed', '3'],
  ['search=BASELINE', '2'],
  ['search=flips+steps%3D1', '2'],
  ['search=loss+0.1', '4'],
  ['search=nothing', ''],
  ['group=pipeline', '4231'],
  ['group=pipeline&sort=longest', '3142'],
  ['group=state&sort=oldest', '1243'],
  ['sort=constructor&group=toString&state=no', '4321'],
])('finds runs by %s', (address, days) => {
  expect(shown(address).days).toBe(days);
});

it('orders by figures among those alone that measure the same, which have a heading', () => {
  const headings = (text: string) => [...text.matchAll(/>([^<>]*·[^<>]*)</g)].map(([, heading]) => heading);
  expect(headings(shown('sort=best').text)).toEqual(
    expect.arrayContaining(['train loss · b, a · 2 runs', 'train loss · b · 1 run']),
  );
  expect(headings(shown('').text).join()).not.toContain('train loss');
});

it('names groups with their number, says how many were found, and refuses pages that there are none of', () => {
  expect(shown('group=pipeline').text).toContain('b · 2 runs');
  expect(shown('state=failed').text).toContain('1 of 4 runs');
  expect(shown('search=nothing').text).toContain('None that this asks for');
  expect(readQuery(new URLSearchParams('page=0'))).toBeUndefined();
});
