import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { findRun, listRuns } from '../../runner/runs/find-runs.js';
import { noteLine, type RunNote, writeNote } from '../../runner/runs/note.js';
import type { Run } from '../../runner/runs/run.js';
import { shortIds } from '../run-lines.js';
import { exitCodes, say, type Services } from '../services.js';

export interface NoteOptions {
  /** False to remove it. */
  readonly name?: string | false;
  readonly text?: false;
  readonly tag: readonly string[];
  readonly untag: readonly string[];
  readonly runs?: string;
}

/** `pipeline note`: gives a run a name, tags and a text, or shows them. Gives the exit code. */
export async function note(
  reference: string,
  words: readonly string[],
  options: NoteOptions,
  services: Services,
): Promise<number> {
  const all = await listRuns(runsRootOf(process.cwd(), options.runs, services.env));
  const run = findRun(reference, all);
  const before = run.note ?? { tags: [] };
  const after = changed(before, words, options);
  if (after.name !== undefined && after.name !== before.name) refuseName(after.name, run, all);
  const isChange = JSON.stringify(after) !== JSON.stringify(before);
  if (isChange)
    await writeNote(run.directory, after).catch((error: unknown) => {
      throw asUserError(error, run.directory);
    });
  const line = noteLine(after);
  say(services.stdout, `${shortIds(all).get(run)!}: ${line === '' ? 'no note' : line}\n`);
  return exitCodes.done;
}

/** Applies what was asked for. */
function changed(
  before: RunNote,
  words: readonly string[],
  { name = before.name ?? false, text, tag, untag }: NoteOptions,
): RunNote {
  const tags = [...new Set([...before.tags, ...tag])].filter((each) => !untag.includes(each));
  const said = words.length > 0 ? words.join(' ') : text === false ? undefined : before.text;
  return { ...(name !== false && { name }), tags, ...(said !== undefined && { text: said }) };
}

function refuseName(name: string, run: Run, all: readonly Run[]): void {
  const other = all.find((each) => each !== run && each.note?.name === name);
  const pipeline = all.find(({ record }) => record.pipeline === name);
  if (other === undefined && pipeline === undefined && name !== 'latest') return;
  throw new UserError({
    code: 'name-taken',
    usage: true,
    message: `${name} means another run already: ${other?.id ?? `the latest of ${pipeline === undefined ? 'all' : `the pipeline ${name}`}`}.`,
    remedy: other ? `Choose another, or free it: npx pipeline note ${other.id} --no-name` : 'Choose another.',
  });
}
