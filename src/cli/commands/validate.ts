import { resolve } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { UserError } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import type { Diagnostic } from '../../runner/diagnostics.js';
import { checkConfiguration, type LoadOptions, readConfiguration } from '../../runner/load.js';
import { loadSweep } from '../../runner/sweep/load.js';
import { isLockFile, locate } from '../../runner/yaml/text.js';
import { member } from '../../runner/yaml/tree.js';
import { showDiagnostics } from '../load.js';
import { exitCodes, say, type Services, shortPath } from '../services.js';

export interface ValidateOptions {
  readonly set: readonly string[];
  readonly stdin?: boolean;
  readonly json?: boolean;
}

/** Verdict on a file, as `--json` prints it. */
interface Verdict {
  /** Absolute path. */
  readonly file: string;
  readonly valid: boolean;
  /** Stages with the places of their keys; of an invalid file those that have a kind. */
  readonly stages: readonly {
    readonly id: string;
    readonly kind: string;
    readonly file: string;
    readonly line: number;
  }[];
  /** Number of trials of its sweep. */
  readonly trials?: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** `pipeline validate`: shows every problem of every file, and of every trial of its sweep. Gives the exit code. */
export async function validate(
  files: readonly string[],
  options: ValidateOptions,
  services: Services,
): Promise<number> {
  if (options.stdin === true && files.length > 1) throw oneFile();
  const text = options.stdin === true ? await textOf(process.stdin) : undefined;
  const verdicts: Verdict[] = [];
  for (const file of files) {
    if (text === undefined && (await isLockFile(file))) {
      if (options.json !== true)
        say(services.stdout, `${shortPath(resolve(file))}: the lock of a pipeline, not checked\n`);
      continue;
    }
    const verdict = await judge(file, text, options.set, services);
    verdicts.push(verdict);
    if (options.json === true) continue;
    await showDiagnostics(verdict.diagnostics, services);
    if (verdict.valid) say(services.stdout, `${shortPath(verdict.file)}: valid, ${factsOf(verdict)}\n`);
  }
  if (options.json === true) services.stdout.write(`${JSON.stringify({ files: verdicts })}\n`);
  return verdicts.every(({ valid }) => valid) ? exitCodes.done : exitCodes.invalid;
}

async function judge(
  file: string,
  text: string | undefined,
  set: readonly string[],
  { loadRegistry, env }: Services,
): Promise<Verdict> {
  const { rules } = await loadRegistry();
  const options = { rules, set, env, ...(text !== undefined && { text }) };
  const loaded = await loadSweep(file, options);
  if (!loaded.ok) {
    const stages = await stagesWritten(file, options);
    return { file: resolve(file), valid: false, stages, diagnostics: loaded.diagnostics };
  }
  const { pipeline, trials, warnings, missing } = loaded;
  return {
    file: pipeline.file,
    valid: true,
    stages: Array.from(pipeline.stages.values(), ({ id, kind, origin }) => ({
      ...{ id, kind, file: origin.file, line: origin.line },
    })),
    ...(trials && { trials: trials.length }),
    diagnostics: [...warnings, ...missing()],
  };
}

/** Stages of a file that need not be valid, for an editor to complete while one of them is being written. */
async function stagesWritten(file: string, options: LoadOptions): Promise<Verdict['stages']> {
  const read = await readConfiguration(file, options);
  const stages = read.ok ? member(checkConfiguration(read, options).tree, 'stages')?.value : undefined;
  if (stages?.kind !== 'map') return [];
  return Array.from(stages.entries).flatMap(([id, { key, value }]) => {
    const uses = member(value, 'uses')?.value;
    if (uses?.kind !== 'scalar' || typeof uses.value !== 'string') return [];
    const { file: source, line } = locate(key);
    return [{ id, kind: uses.value, file: source, line }];
  });
}

const factsOf = ({ stages, trials }: Verdict): string =>
  [counted(stages.length, 'stage'), ...(trials === undefined ? [] : [counted(trials, 'trial')])].join(', ');

const oneFile = (): UserError =>
  new UserError({
    code: 'one-file',
    usage: true,
    message: '--stdin has the text of one file; several were named.',
    remedy: 'Name the file whose text it is.',
  });
