import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import type { StateGroup } from '../../src/training/checkpoint-manifest.js';
import { readSavedModel } from '../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from './tiny-pipeline.js';

/** Trainings in place of that of the tiny pipeline, in a folder of their own. */
export class TinyTrainings {
  private constructor(
    readonly folder: string,
    private readonly name: string,
  ) {}

  /**
   * Writes `NAME.yaml`: what the tiny pipeline has before its training, and then `stages`.
   *
   * @param until stage of the tiny pipeline up to which it is run beforehand
   */
  static async open(name: string, stages: string, until?: string): Promise<TinyTrainings> {
    const folder = await tinyPipeline();
    if (until !== undefined) {
      const made = await startPipeline(folder, ['run', 'tiny.yaml', '--until', until]);
      expect(made.exitCode, made.stderr).toBe(0);
    }
    const text = await readFile(join(folder, 'tiny.yaml'), 'utf8');
    const head = text.split('  train:\n')[0]!;
    await writeFile(join(folder, `${name}.yaml`), head.replace('name: tiny', `name: ${name}`) + stages);
    return new TinyTrainings(folder, name);
  }

  get file(): string {
    return `${this.name}.yaml`;
  }

  /** Runs the file until a stage, its runs in a folder of that name. */
  async run(
    stage: string,
    runs = 'runs',
    settings: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ) {
    const set = settings.flatMap((setting) => ['--set', setting]);
    const args = ['run', this.file, '--until', stage, ...set];
    const { exitCode, stdout, stderr } = await startPipeline(this.folder, args, runs, env);
    const output = join(this.folder, runs, this.name, 'latest', stage);
    return { exitCode, stdout, stderr, output };
  }

  /** Copies what was run to folders of these names. */
  async copyRuns(...names: readonly string[]): Promise<void> {
    for (const runs of names)
      await cp(join(this.folder, 'runs'), join(this.folder, runs), {
        recursive: true,
        verbatimSymlinks: true,
      });
  }

  /** Runs until a stage, which is killed after a step and then continued. */
  async runTwice(stage: string, step: number, runs = 'killed') {
    const killed = await this.run(stage, runs, [], { PIPELINE_KILL_AT: `took step#${step}` });
    expect(killed.exitCode).not.toBe(0);
    const resumed = await this.run(stage, runs);
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    return resumed;
  }

  /** Runs until a stage, in two workers. */
  async runInTwo(stage: string) {
    const two = await this.run(stage, 'two', [`stages.${stage}.runtime.workers=2`]);
    expect(two.exitCode, two.stderr).toBe(0);
    return two;
  }

  /** Validates or plans the file with a change. */
  async lookAt(command: 'validate' | 'plan', change: (text: string) => string) {
    const text = await readFile(join(this.folder, this.file), 'utf8');
    await writeFile(join(this.folder, 'changed.yaml'), change(text));
    const { exitCode, stdout, stderr } = await startPipeline(this.folder, [command, 'changed.yaml']);
    return { exitCode, told: stdout + stderr };
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }
}

/** Records of a training's log. */
export async function loggedIn<Record>(output: string): Promise<Record[]> {
  const text = await readFile(join(output, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record);
}

/** Values of the last checkpoint, by group and name. */
export async function stateIn(
  output: string,
  groups: readonly StateGroup[] = ['weights', 'average', 'firstMoment', 'secondMoment'],
): Promise<Map<string, Float32Array>> {
  const { weights } = await readSavedModel(output);
  const values = new Map<string, Float32Array>();
  for (const group of groups) {
    const file = await openSafetensors(join(output, weights.raw.replace('weights.', `${group}.`)));
    for (const name of file.tensors.keys()) values.set(`${group} ${name}`, await file.readFloat32(name));
    await file.close();
  }
  return values;
}
