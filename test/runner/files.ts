import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import { type LoadedPipeline } from '../../src/runner/load.js';
import { type LoadOptions, loadPipeline } from '../../src/stages/load.js';

type Files = Readonly<Record<string, string>>;

/** Writes files to a temporary folder, which is gone after `use`. */
export async function withFiles<Result>(
  files: Files,
  use: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'composed-')));
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Loads the first of several files. Paths in the result are relative to their folder. */
export async function loadFiles(files: Files, options: LoadOptions = {}): Promise<LoadedPipeline> {
  return withFiles(files, async (folder) => {
    const loaded = await loadPipeline(join(folder, Object.keys(files)[0]!), { env: {}, ...options });
    return JSON.parse(
      JSON.stringify(loaded, withMaps).replaceAll(`${folder}/`, ''),
      fromMaps,
    ) as LoadedPipeline;
  });
}

const withMaps = (_: string, value: unknown): unknown =>
  value instanceof Map ? { '\0map': [...(value as Map<unknown, unknown>)] } : value;

const fromMaps = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && '\0map' in value
    ? new Map(value['\0map'] as [unknown, unknown][])
    : value;

/** The configuration of each stage of a file that must be sound. */
export async function configsOf(files: Files, options: LoadOptions = {}): Promise<Record<string, unknown>> {
  const loaded = await loadFiles(files, options);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join('\n'));
  return Object.fromEntries(Array.from(loaded.pipeline.stages, ([id, { config }]) => [id, config]));
}

/** What a person reads about the first of several files, paths relative to their folder. */
export async function messagesOf(files: Files, options: LoadOptions = {}): Promise<string> {
  return withFiles(files, async (folder) => {
    const loaded = await loadPipeline(join(folder, Object.keys(files)[0]!), { env: {}, ...options });
    return loaded.ok ? '' : formatDiagnostics(loaded.diagnostics).replaceAll(/\S+\/composed-\w+\//g, '');
  });
}
