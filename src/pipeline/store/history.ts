import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** One use of an output by a stage of a pipeline. */
interface Use {
  readonly stage: string;
  readonly kind: string;
  readonly fingerprint: string;
  /** Absent in lines that were written before contents were told apart from fingerprints. */
  readonly content?: string;
  /** Fingerprint of the output in whose place someone accepted this one. */
  readonly accepted?: string;
}

/** Which outputs the stages of one pipeline had, oldest first: what `plan` compares a new fingerprint with. */
export class History {
  readonly #path: string;
  readonly #uses: Use[];

  private constructor(path: string, uses: Use[]) {
    this.#path = path;
    this.#uses = uses;
  }

  static async open(runsRoot: string, pipelineName: string): Promise<History> {
    const path = join(runsRoot, pipelineName, 'history.jsonl');
    const text = await readFile(path, 'utf8').catch(() => '');
    return new History(path, text.split('\n').flatMap(parseUse));
  }

  /** Fingerprints that the stage had while it was of this kind: each once, the latest first. */
  fingerprints(stage: string, kind: string): readonly string[] {
    const uses = this.#uses.filter((use) => use.stage === stage && use.kind === kind);
    return [...new Set(uses.map(({ fingerprint }) => fingerprint).reverse())];
  }

  /** Content of the output that the stage had last: of this fingerprint, where it had one. */
  content(stage: string, kind: string, fingerprint: string): string | undefined {
    const uses = this.#uses.filter(
      (use) => use.stage === stage && use.kind === kind && use.content !== undefined,
    );
    return (uses.findLast((use) => use.fingerprint === fingerprint) ?? uses.at(-1))?.content;
  }

  /** Notes that the stage now has this output. Safe while other runs do the same. */
  async add(use: Use): Promise<void> {
    const last = this.#uses.findLast(({ stage, kind }) => stage === use.stage && kind === use.kind);
    if (
      last?.fingerprint === use.fingerprint &&
      last.content === use.content &&
      last.accepted === use.accepted
    )
      return;
    this.#uses.push(use);
    await mkdir(dirname(this.#path), { recursive: true });
    await appendFile(this.#path, `${JSON.stringify(use)}\n`);
  }
}

/** A line that a crash cut short is left out. */
function parseUse(line: string): readonly Use[] {
  if (line === '') return [];
  try {
    const use = JSON.parse(line) as Partial<Use> | null;
    const isUse = [use?.stage, use?.kind, use?.fingerprint].every((part) => typeof part === 'string');
    return isUse ? [use as Use] : [];
  } catch {
    return [];
  }
}
