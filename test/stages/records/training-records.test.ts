import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readAllMetrics } from '../../../src/formats/metrics-log.js';
import type { RecordsConfig } from '../../../src/generated/index.js';
import type { StageContext, StageEvent } from '../../../src/runner/stage.js';
import { type RecordSeals, TrainingRecords } from '../../../src/stages/training/records.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { runId } from '../../../src/stages/training/sinks.js';
import { toldOfDamage } from '../../support/told-of-damage.js';
import { sha256Of } from '../../../src/base/input-file.js';

let directory: string;

beforeEach(async () => {
  directory = await temporaryFolder('records');
  vi.stubEnv('WANDB_API_KEY', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
});

const context = () =>
  ({ id: 'train', pipelineName: 'test', pipelineDirectory: directory, directory }) as StageContext;
const open = (config: Partial<RecordsConfig>, step = 0, seals?: RecordSeals) =>
  TrainingRecords.open({ config: { tensorboard: false, ...config }, samples: 8 }, context(), step, seals);
const messages = (events: readonly StageEvent[]) =>
  events.map((event) => (event.type === 'notice' ? event.message : event.type));
const offline = { project: 'p', mode: 'offline' } as const;

/** Records steps until there is something to say, 20 s at most. */
async function logUntilTold(records: TrainingRecords): Promise<string[]> {
  for (let step = 1; step < 400; step++) {
    await records.log(step, { loss: 1 / step });
    const told = messages(records.takeNotices());
    if (told.length > 0) return told;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return [];
}

describe('records of a training', () => {
  it('go on after a step: what was told of later ones is dropped', async () => {
    const first = await open({ tensorboard: true });
    for (const step of [10, 20, 30]) await first.log(step, { loss: step });
    await first.close();
    const second = await open({ tensorboard: true }, 20);
    await second.log(30, { loss: 31 });
    await second.close();
    const lines = (await readFile(join(directory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { step: 10, loss: 10 },
      { step: 20, loss: 20 },
      { step: 30, loss: 31 },
    ]);
    expect(await readdir(join(directory, 'tensorboard'))).toHaveLength(2);
  });

  it('are told of where they are not as they were at the step that they go on after', async () => {
    const first = await open({});
    for (const step of [10, 20, 30]) {
      await first.log(step, { loss: step });
      await first.addLosses(step, { loss: step });
    }
    const seals = await first.seal();
    await first.log(40, { loss: 40 });
    const path = join(directory, 'metrics.jsonl');
    const [ten = '', twenty = '', thirty = '', forty = ''] = (await readFile(path, 'utf8')).split(/(?<=\n)/);
    const resumed = async (text: string) => {
      await writeFile(path, text);
      const records = await open({}, 30, seals);
      return [messages(records.takeNotices()).length, await readFile(path, 'utf8')];
    };
    expect(await resumed(ten + twenty + thirty + forty)).toEqual([0, ten + twenty + thirty]);
    expect(await resumed(ten + twenty + thirty)).toEqual([0, ten + twenty + thirty]);
    // Cut short, between lines and within one; gone; and as a file system leaves it that lost a block.
    expect(await resumed(ten + twenty)).toEqual([1, ten + twenty]);
    expect(await resumed(ten + twenty + thirty.slice(0, -2))).toEqual([1, ten + twenty]);
    expect(await resumed('')).toEqual([1, '']);
    expect(await resumed(`${ten}${'\0'.repeat(twenty.length)}${thirty}${forty}`)).toEqual([1, ten]);
    expect(await resumed(ten + thirty + forty)).toEqual([1, ten + thirty]);
    // Speeds have no checksum, as they are others each time: they miss what they have no record of.
    await writeFile(path, ten + twenty + thirty);
    const speeds = join(directory, 'speed.jsonl');
    await writeFile(speeds, (await readFile(speeds, 'utf8')).split(/(?<=\n)/)[0]!);
    expect(messages((await open({}, 30, seals)).takeNotices())).toEqual([
      'speed.jsonl lacks 2 records, the first of step 20.',
    ]);
    const losses = join(directory, 'losses.jsonl');
    await writeFile(losses, (await readFile(losses, 'utf8')).split(/(?<=\n)/)[0]!);
    expect(messages((await open({}, 30, seals)).takeNotices())).toContainEqual(
      expect.stringMatching(/^losses\.jsonl is not as it was at step 30: .* are left, until step 10\./),
    );
    await writeFile(path, `${ten}{"step":\n${thirty}`);
    expect((await readAllMetrics(directory)).map(({ step }) => step)).toEqual([10, 30]);
    // Where nothing is known, as of a checkpoint of an earlier version, there is nothing to tell.
    await writeFile(path, ten);
    expect((await open({}, 30)).takeNotices()).toEqual([]);
  });

  it('tell speed and memory apart from what was learnt', async () => {
    const records = await TrainingRecords.open(
      {
        config: { tensorboard: false },
        samples: 8,
        operations: (from, to) => 1e6 * (to - from),
        peak: () => Promise.resolve(1e9),
      },
      context(),
      0,
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    await records.log(4, { loss: 1 });
    const [record] = await readAllMetrics(directory);
    const { imagesPerSecond, secondsPerStep, matmulPeakShare, peakMemoryMiB } = record!;
    expect(secondsPerStep).toBeGreaterThan(0.007);
    expect(imagesPerSecond! * secondsPerStep!).toBeCloseTo(8, 9);
    expect(matmulPeakShare! * secondsPerStep!).toBeCloseTo(1e6 / 1e9, 9);
    expect(peakMemoryMiB).toBeGreaterThan(process.memoryUsage.rss() / 2 ** 20 / 2);
    expect(Object.keys(record!)).not.toContain('timeSeconds');
  });
});

describe('Weights & Biases', () => {
  it('is refused online without a key, before any work', async () => {
    await expect(open({ wandb: { project: 'p', mode: 'online' } })).rejects.toMatchObject({
      code: 'wandb-key-missing',
    });
    await (await open({ wandb: { project: 'p', mode: 'disabled' } })).close();
  });

  it('that fails is given up with one warning, and the training is recorded on', async () => {
    // A program in Python's place that ends as a crash would.
    const program = join(directory, 'python');
    await writeFile(program, '#!/bin/sh\nread line\nexit 7\n');
    await chmod(program, 0o755);
    vi.stubEnv('PIPELINE_PYTHON', program);
    const records = await open({ wandb: offline });
    expect(await logUntilTold(records)).toEqual([
      'Weights & Biases gets no further records: its process ended early (exit code 7). Training continues; metrics.jsonl has everything.',
    ]);
    const before = (await readAllMetrics(directory)).length;
    await records.log(1000, { loss: 0 });
    expect(records.takeNotices()).toEqual([]);
    expect(await readAllMetrics(directory)).toHaveLength(before + 1);
    await records.close();
    expect(records.takeNotices()).toEqual([]);
  });

  it('whose Python is not there is given up too', async () => {
    vi.stubEnv('PIPELINE_PYTHON', join(directory, 'none'));
    const records = await open({ wandb: offline });
    expect(await logUntilTold(records)).toEqual([expect.stringContaining('its process ended early')]);
    await records.close();
  });
});

describe('damaged logs and ids', () => {
  it('of a finished training are named, and none of their figures shown', async () => {
    const records = await open({});
    for (const step of [10, 20]) await records.log(step, { loss: step });
    await records.close();
    const path = join(directory, 'metrics.jsonl');
    const content = await readFile(path);
    const files = [{ path: 'metrics.jsonl', sha256: sha256Of(content) }];
    const whole = await toldOfDamage(() => readAllMetrics(directory, files));
    expect(whole.told).toEqual([]);
    expect(whole.result).toMatchObject([{ loss: 10 }, { loss: 20 }]);
    await writeFile(path, content.toString().replace('"loss":10', '"loss":11'));
    const damaged = await toldOfDamage(() => readAllMetrics(directory, files));
    expect(damaged.told).toEqual([expect.stringContaining(`${path} is damaged (is not what was written)`)]);
    expect(damaged.result).toEqual([]);
    await rm(path);
    expect((await toldOfDamage(() => readAllMetrics(directory, files))).told).toHaveLength(1);
  });

  it('of one that goes on are named where a line but the last is no record', async () => {
    const path = join(directory, 'metrics.jsonl');
    await writeFile(path, '{"step":10,"loss":1}\n{"step":2\u0000\n{"step":30,"loss":3}\n{"step":4');
    const { result, told } = await toldOfDamage(() => readAllMetrics(directory));
    expect(result).toEqual([
      { step: 10, loss: 1 },
      { step: 30, loss: 3 },
    ]);
    expect(told).toEqual([expect.stringContaining(`${path} is damaged (1 line of 3 are no records)`)]);
  });

  it('of Weights & Biases are named, and another run begins there', async () => {
    const first = await runId(directory);
    expect(await runId(directory)).toBe(first);
    const path = join(directory, 'wandb.json');
    const content = await readFile(path, 'utf8');
    for (const text of [content.replace(first, '0'.repeat(first.length)), 'null', '', '{"id":3}']) {
      await writeFile(path, text);
      const { result, told } = await toldOfDamage(() => runId(directory));
      expect(told).toEqual([expect.stringContaining(`${path} is damaged`)]);
      expect(result).toMatch(/^(?!0+$)[0-9a-f]{12}$/);
    }
  });
});
