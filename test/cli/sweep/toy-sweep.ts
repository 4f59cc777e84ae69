import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { TimedSweepEvent, TrialResult } from '../../../src/runner/sweep/trial.js';
import { nodeProgram } from '../../support/programs.js';

/** A pipeline whose images, autoencoder and latents are shared by all trials. */
export const toyYaml = (sweep: string, rest = ''): string => `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: 5 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train: { uses: train, latents: latents, steps: 5, model: { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, mediators: 4 } }
  report: { uses: report, stages: [images, autoencoder, train] }
${rest}sweep: ${sweep}
`;

/** A folder with toy.yaml, in which the real command runs over toy stages. */
export class ToySweep {
  private constructor(readonly folder: string) {}

  static async create(sweep: string): Promise<ToySweep> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'sweep test ü ')));
    await mkdir(join(folder, 'data'));
    await mkdir(join(folder, 'break'));
    await writeFile(join(folder, 'data', 'a.png'), 'a');
    await writeFile(join(folder, 'toy.yaml'), toyYaml(sweep));
    return new ToySweep(folder);
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return execa(process.execPath, [...nodeProgram('test/cli/toy-main.ts'), ...args], {
      cwd: this.folder,
      reject: false,
      env: {
        TOY_SESSIONS: join(this.folder, 'sessions'),
        TOY_BREAK: join(this.folder, 'break'),
        ...{ CI: '', PIPELINE_RUNS: '', NO_COLOR: '1', ...env },
      },
    });
  }

  /** Environment of a machine with these GPUs, as far as that is looked at before TensorFlow is loaded. */
  async gpus(...names: string[]): Promise<Record<string, string>> {
    const [driver, library] = ['driver', join('tensorflow', 'lib')].map((name) => join(this.folder, name));
    for (const path of [driver!, library!, join(this.folder, 'tensorflow', 'nvidia')])
      await mkdir(path, { recursive: true });
    // What counts as a driver is a file of this name.
    await writeFile(join(driver!, 'nvidia-smi'), '');
    for (const name of ['cc', 'framework']) await writeFile(join(library!, `libtensorflow_${name}.so.2`), '');
    return {
      PATH: `${driver}:${process.env.PATH ?? ''}`,
      PIPELINE_TENSORFLOW: library!,
      CUDA_VISIBLE_DEVICES: names.join(','),
    };
  }

  sweep(...args: string[]) {
    return this.start(['sweep', 'toy.yaml', ...args]);
  }

  /** Makes a stage fail that many times, or die. */
  break(stage: string, how: number | 'die' | 'late'): Promise<void> {
    return writeFile(join(this.folder, 'break', stage), String(how));
  }

  /** How often each stage started, over all calls, such as `train start`. */
  async sessions(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const line of (await readFile(join(this.folder, 'sessions'), 'utf8')).trim().split('\n'))
      counts[line] = (counts[line] ?? 0) + 1;
    return counts;
  }

  async results(): Promise<readonly TrialResult[]> {
    const text = await readFile(join(this.folder, 'runs', 'toy', 'sweep', 'sweep.json'), 'utf8');
    return (JSON.parse(text) as { trials: TrialResult[] }).trials;
  }

  /** Resolves once so many trials have written steps of their training. */
  async untilTraining(running: { readonly exitCode: number | null }, trials: number): Promise<void> {
    const store = join(this.folder, 'runs', 'store', 'train');
    while (running.exitCode === null) {
      const names = await readdir(store).catch(() => []);
      const begun = names.filter((name) => existsSync(join(store, name, 'steps.txt')));
      if (begun.length >= trials) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('The sweep ended too early.');
  }
}

export const eventsOf = (stdout: string): TimedSweepEvent[] =>
  stdout.split('\n').map((line) => JSON.parse(line) as TimedSweepEvent);

/** Text with the parts that differ from call to call replaced, and ids of trials by their number in it. */
export function steady(text: string): string {
  const ids = [...new Set(text.match(/\b[\da-f]{10}\b/g))];
  return text
    .replaceAll(/\b[\da-f]{10}\b/g, (id) => `trial-${ids.indexOf(id) + 1}`)
    .replaceAll(/\d+\.\d s|\d+ s\b/g, 'N s')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d-]+\.\d+Z(-\d+)?/g, 'TIME')
    .replaceAll(/ {2,}/g, '  ');
}
