import { execa } from 'execa';
import type { Measurement } from './measure.js';

/** Line of one program's output. */
type Line = Pick<Measurement, 'what' | 'seconds' | 'peak_rss_mb'>;

/** Ours and theirs of one measurement, the best of all rounds. */
export interface Ratio {
  readonly what: string;
  readonly ours: number;
  readonly theirs: number;
}

/** Programs take turns, so that what else the machine does meets both. */
export async function compareWith(
  command: string,
  ownArguments: readonly string[],
  rounds: number,
  onLine: (line: string) => void,
): Promise<Ratio[]> {
  const ours: Line[] = [];
  const theirs: Line[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(...(await linesOf(execa(process.execPath, ownArguments, { stderr: 'inherit' }), onLine)));
    theirs.push(...(await linesOf(execa(command, { shell: true, stderr: 'inherit' }), onLine)));
  }
  const shared = [...new Set(ours.map(({ what }) => what))].filter((what) =>
    theirs.some((line) => line.what === what),
  );
  const least = (lines: readonly Line[], what: string, key: 'seconds' | 'peak_rss_mb') =>
    Math.min(...lines.filter((line) => line.what === what).map((line) => line[key]));
  return [
    ...shared.map((what) => ({
      what,
      ours: least(ours, what, 'seconds'),
      theirs: least(theirs, what, 'seconds'),
    })),
    ...(shared.includes('step-wise sampling')
      ? [
          {
            what: 'by turns, not the largest',
            ours: least(ours, 'step-wise sampling', 'seconds'),
            theirs: least(ours, 'sampling', 'seconds'),
          },
        ]
      : []),
    ...(shared.includes('train step')
      ? [
          {
            what: 'peak memory, MB',
            ours: least(ours, 'train step', 'peak_rss_mb'),
            theirs: least(theirs, 'train step', 'peak_rss_mb'),
          },
        ]
      : []),
  ];
}

async function linesOf(program: AsyncIterable<unknown>, onLine: (line: string) => void): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of program) {
    onLine(String(line));
    if (!String(line).startsWith('{')) continue;
    const { what, seconds, peak_rss_mb } = JSON.parse(String(line)) as Line;
    lines.push({ what, seconds, peak_rss_mb });
  }
  return lines;
}
