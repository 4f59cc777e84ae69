import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const quickstart = new URL('../../pipelines/quickstart.yaml', import.meta.url);

/** The options of the quickstart's smoke profile, as the head of the file has them. */
export async function smokeProfile(): Promise<string[]> {
  const head = (await readFile(quickstart, 'utf8')).split('\nname:')[0]!;
  const profile = head.slice(head.indexOf('Smoke profile'));
  return [...profile.matchAll(/--set (\S+)/g)].flatMap(([, setting]) => ['--set', setting!]);
}

// Run as a program, it prints them, one a line.
if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await smokeProfile()).join('\n'));
