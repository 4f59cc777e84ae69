import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileWhole } from '../../base/output-file.js';
import { readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import { cacheFolder } from '../../tensorflow/install/platform.js';
import type { StageRate } from '../stage.js';

/** A measured rate, and when it was measured. */
export interface KeptRate extends StageRate {
  /** ISO 8601. */
  readonly at: string;
  /** Share of the processors' time that other programs took during the measurement. */
  readonly othersShare: number;
}

/** Time for which a rate tells of this machine: what else it does changes. */
const keptMs = 24 * 3600 * 1000;
/** The same of a rate that was measured on a busy machine. */
const keptBusyMs = 10 * 60 * 1000;

/** True of a rate that other programs made much lower than it would be on a quiet machine. */
export const isOfBusyMachine = (othersShare: number): boolean => othersShare > 0.2;

const folder = (): string => join(cacheFolder(), 'rates');

/** Path of a rate's file, whose name follows from all that the rate depends on. */
const pathOf = (key: object): string =>
  join(folder(), `${createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16)}.json`);

/**
 * A rate of the last day, or of the last minutes where the machine was busy; undefined where there is none. One that is
 * damaged is told of, and measured again.
 */
export async function keptRate(key: object): Promise<KeptRate | undefined> {
  const path = pathOf(key);
  try {
    const text = await readRecord(path);
    if (text === undefined) return undefined;
    const rate = unsealJson(text, false) as unknown as KeptRate;
    const most = isOfBusyMachine(rate.othersShare) ? keptBusyMs : keptMs;
    return Date.now() - Date.parse(rate.at) < most ? rate : undefined;
  } catch (error) {
    tellDamaged(path, error, 'it counts for nothing until it is measured again');
    return undefined;
  }
}

/** Keeps a rate, and drops those that are older than a day. */
export async function keepRate(key: object, rate: StageRate, othersShare: number): Promise<KeptRate> {
  const kept = { ...rate, at: new Date().toISOString(), othersShare };
  await mkdir(folder(), { recursive: true });
  for (const name of await readdir(folder())) {
    const path = join(folder(), name);
    const file = await stat(path).catch(() => undefined);
    if (file !== undefined && Date.now() - file.mtimeMs > keptMs) await rm(path, { force: true });
  }
  await writeFileWhole(pathOf(key), sealJson(kept));
  return kept;
}
