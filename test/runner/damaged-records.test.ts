import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toldOfDamage } from '../support/told-of-damage.js';
import { damages, messageOf, records } from './record-cases.js';

/** Everything that was said: warnings, messages of errors and of problems. A refusal needs a code. */
async function saidBy(work: () => Promise<readonly string[]>): Promise<string> {
  const { result, told } = await toldOfDamage(() => work().catch(messageOf));
  return [...told, ...result].join('\n');
}

describe.each(Object.entries(records))('%s', (_, { make, use, except = {} }) => {
  it('is used without a word as long as it is whole', async () => {
    const path = await make();
    // What is used of it is not what a damaged one leaves.
    expect(await saidBy(() => use(path).catch(() => []))).not.toContain('is damaged');
  });

  it.each(Object.keys(damages).filter((name) => !(name in except)))('that is %s is named', async (name) => {
    const path = await make();
    await damages[name]!(path);
    expect(await saidBy(() => use(path))).toContain(path);
  });
});

/**
 * Every file of the program that writes files, and what it writes: records of the table above, `with a test` of its own
 * where that is named, or what is no record. One that begins to write needs a place here, and its records their cases.
 */
const none = {
  page: 'for people: it is never read back',
  output:
    'part of an output, whose manifest has its size and SHA-256: what is read is what was fingerprinted',
  exported: 'handed over to the user or to others',
  writer: 'writes what it is told to',
  lock: 'empty: only that it is held counts; those of outputs name who holds them',
  process: 'read by this process or the system, at once',
  download: 'verified by size and SHA-256 before it gets its name',
} as const;
const own = (...tests: readonly string[]) => tests.map((test) => `test/${test}.test.ts`);

const written: Readonly<Record<string, readonly string[]>> = {
  'base/file-lock.ts': [none.lock],
  'base/files.ts': [none.writer],
  'base/http.ts': [none.download],
  'base/output-file.ts': [none.writer],
  'cli/commands/compare.ts': [none.page],
  'cli/commands/evaluate.ts': [none.exported],
  'cli/commands/init.ts': [none.exported],
  'cli/commands/report.ts': [none.page],
  'cli/commands/sweep.ts': [none.page],
  'cli/commands/ui.ts': [none.page],
  'cli/measure-starter.ts': [none.process],
  'cli/write-ratios.ts': [none.exported],
  'data/images/image-index.ts': [none.output],
  'data/images/png.ts': [none.writer],
  'data/latents/foreign-rows.ts': [none.output],
  'data/latents/format.ts': [none.output, ...own('data/latents/latents')],
  'data/latents/writer.ts': own('data/latents/latents'),
  'formats/hub/hub.ts': [none.download],
  'formats/hub/repository.ts': own('formats/hub/huggingface', 'cli/hub-images'),
  'formats/metrics-log.ts': own('stages/records/training-records'),
  'formats/npz.ts': [none.writer],
  'formats/safetensors/shards.ts': [none.writer],
  'formats/safetensors/writer.ts': [none.writer],
  'formats/tensorboard.ts': [none.exported],
  'formats/zip-writer.ts': [none.writer],
  'runner/fingerprint/hash-cache.ts': ['.hashes'],
  'runner/gc/known-files.ts': ['.pipelines.json'],
  'runner/lock/lock-file.ts': ['NAME.lock.yaml'],
  'runner/plan/accept.ts': ['accepted.json'],
  'runner/plan/rates.ts': own('runner/plan/time'),
  'runner/remote/pull.ts': [none.download, 'manifest.json of an output'],
  'runner/run/run-folder.ts': ['resolved.yaml', 'origins.json'],
  'runner/run/run-record.ts': ['run.json', 'events.jsonl', none.page],
  'runner/runs/note.ts': ['note.json'],
  'runner/schema/write-validator.ts': [none.writer],
  'runner/store/listings.ts': ['.inputs'],
  'runner/store/manifest.ts': [none.writer],
  'runner/store/output-lock.ts': ['.lock of an output'],
  'runner/store/seal.ts': ['manifest.json of an output'],
  'runner/store/session.ts': ['session.json', 'failed.json', 'history.jsonl'],
  'runner/sweep/launcher.ts': [none.page],
  'runner/sweep/results.ts': ['sweep.json', none.page],
  'runner/sweep/slurm-launcher.ts': [none.exported],
  'stages/attention/run.ts': [none.output],
  'stages/autoencoder/run.ts': [none.output],
  'stages/calibrate/run.ts': [none.output],
  'stages/evaluate/feature-files.ts': own('stages/evaluate/evaluate'),
  'stages/evaluate/run.ts': [none.output],
  'stages/evaluate/statistics-file.ts': own('stages/evaluate/evaluate'),
  'stages/evaluate/work.ts': [none.output],
  'stages/images/examination.ts': own('stages/images/images'),
  'stages/images/run.ts': [none.output],
  'stages/latents/run.ts': [none.output],
  'stages/playground/write.ts': [none.page],
  'stages/report/run.ts': [none.page],
  'stages/sample/files.ts': [none.output, ...own('stages/sample/sample', 'stages/sample/back')],
  'stages/sample/job.ts': [none.output],
  'stages/sample/records.ts': own('stages/sample/sample'),
  'stages/sample/switches.ts': [none.output],
  'stages/sample/trajectory.ts': [none.output, ...own('stages/sample/sample')],
  'stages/shared/engine.ts': [none.exported],
  'stages/train/open-data.ts': own('stages/train/data/encoded-images'),
  'stages/train/samples.ts': [none.output],
  'stages/training/sinks.ts': own('stages/records/training-records'),
  'tensorflow/install/install.ts': own('tensorflow/install/setup', 'tensorflow/install/locate'),
  'tensorflow/install/main.ts': own('tensorflow/install/locate'),
  'tensorflow/install/obtain-wheel.ts': [none.download],
  'tensorflow/install/pip.ts': [none.exported],
  'tensorflow/native-log.ts': [none.process],
  'tensorflow/native-memory.ts': [none.process],
  'training/checkpoint-manifest.ts': own('training/checkpoint'),
  'weights/saved-files.ts': [none.output],
  'weights/write-hub.ts': [none.exported],
  'weights/write-reference.ts': [none.exported],
  'weights/write.ts': [none.exported, none.output],
};

const writes =
  /\b(?:(?:write|append)Plain(?:Sync)?|writeFileWhole|writeOutputFile|replaceFile|putFile|writeNpz|writeSafetensors|writePng)\(|\b(?:openFile|openFileSync)\(.*'(?:[aw]x?|r\+)'|\bcreateWriteStream\(/;

describe('every file of the program that writes', () => {
  it('has a place in the list, and its records have cases', async () => {
    const source = join(import.meta.dirname, '../../src');
    const names = (await readdir(source, { recursive: true })).filter(
      (name) => name.endsWith('.ts') && !name.startsWith('generated/'),
    );
    const writing = [];
    for (const name of names) if (writes.test(await readFile(join(source, name), 'utf8'))) writing.push(name);
    expect(Object.keys(written)).toEqual(writing.sort());
    const known = new Set<string>([
      ...Object.keys(records),
      ...Object.values(none),
      'the system reads it',
      'read by this process, which made it',
    ]);
    for (const what of Object.values(written).flat())
      if (!known.has(what)) {
        const text = await readFile(join(source, '..', what), 'utf8');
        expect(text, what).toMatch(/damaged/);
      }
  });
});
