import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import { type LoadedPipeline } from '../../src/runner/load.js';
import { loadPipeline } from '../../src/stages/load.js';

/** A pipeline of one stage a kind, as maps in flow style, to change a line of. */
const sound: Readonly<Record<string, string>> = {
  images: '{ uses: images, path: photos, size: 32 }',
  autoencoder: '{ uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10 }',
  latents: '{ uses: encode, images: images, autoencoder: autoencoder }',
  train:
    '{ uses: train, latents: latents, steps: 10, model: { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 } }',
  sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4 }',
  report: '{ uses: report, stages: [train, sample] }',
};

/** The text of the sound pipeline, with some stages replaced, added, or (undefined) left out. */
export function pipelineText(changes: Readonly<Record<string, string | undefined>> = {}, head = ''): string {
  const stages = Object.entries({ ...sound, ...changes }).filter(([, stage]) => stage !== undefined);
  return `name: test\n${head}stages:\n${stages.map(([id, stage]) => `  ${id}: ${stage!}\n`).join('')}`;
}

/** Loads a pipeline from a file in a temporary folder that is gone afterwards. */
export async function load(text: string | Uint8Array, set: readonly string[] = []): Promise<LoadedPipeline> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-'));
  try {
    const file = join(folder, 'p.yaml');
    await writeFile(file, text);
    return await loadPipeline(file, { set });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What a person reads about a pipeline's problems, with `p.yaml` for its path. */
export async function messages(text: string | Uint8Array, set: readonly string[] = []): Promise<string> {
  const loaded = await load(text, set);
  if (loaded.ok) return '';
  return formatDiagnostics(loaded.diagnostics).replaceAll(/\S+\/pipeline-\w+\/p\.yaml/g, 'p.yaml');
}
