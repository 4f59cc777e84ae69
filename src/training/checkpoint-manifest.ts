import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from '../base/file-hash.js';
import type { Expected } from '../base/input-file.js';
import { type FileSeal, writeFileWhole } from '../base/output-file.js';
import { DamagedRecord, readRecord, sealJson, unsealJson } from '../base/sealed.js';
import type { AverageDecay } from './averages.js';

/** Description of a checkpoint, beside its tensors. */
export interface CheckpointFacts<Extra> {
  /** Steps taken before it. */
  readonly step: number;
  /** Other parts of the state, as JSON. */
  readonly extra: Extra;
  /** Origin of the training: a fingerprint, and what it was computed from. As JSON. */
  readonly made?: MadeFrom | undefined;
  readonly lossScale?: LossScaleState | undefined;
}

/** Origin of a training, such as its configuration: equal fingerprints mean the same training. */
export interface MadeFrom {
  readonly fingerprint: string;
  readonly origin: unknown;
}

type Manifest<Extra> = CheckpointFacts<Extra> & {
  readonly format: typeof format;
  readonly files: Readonly<Record<string, FileSeal>>;
};

const format = 'checkpoint-2';
export const manifestName = 'manifest.json';

/** Writes the manifest. */
export async function writeManifest<Extra>(
  directory: string,
  facts: CheckpointFacts<Extra>,
  files: Readonly<Record<string, FileSeal>>,
): Promise<void> {
  const manifest: Manifest<Extra> = { format, ...facts, files };
  await writeFileWhole(join(directory, manifestName), sealJson(manifest));
}

/** A checkpoint that was verified: its facts, and what each of its files was seen to hold, by absolute path. */
export interface VerifiedCheckpoint<Extra> extends CheckpointFacts<Extra> {
  readonly seen: ReadonlyMap<string, Expected>;
}

/** The facts of a checkpoint whose files are all as they were written, or what is wrong with it. */
export async function verifyCheckpoint<Extra>(path: string): Promise<VerifiedCheckpoint<Extra> | string> {
  const manifest = await readManifest<Extra>(path);
  if (typeof manifest === 'string') return manifest;
  const seen = new Map<string, Expected>();
  for (const [name, seal] of Object.entries(manifest.files)) {
    const found = await lookAt(join(path, name), seal);
    if (typeof found === 'string') return `${name} ${found}`;
    seen.set(join(path, name), found);
  }
  const { step, extra, made, lossScale } = manifest;
  return { step, extra, made, lossScale, seen };
}

/** The facts of a checkpoint, its tensors not looked at. @throws DamagedRecord */
export async function checkpointFacts<Extra>(path: string): Promise<CheckpointFacts<Extra>> {
  const manifest = await readManifest<Extra>(path);
  if (typeof manifest === 'string') throw new DamagedRecord(`of ${path}: ${manifest}`);
  return manifest;
}

async function readManifest<Extra>(path: string): Promise<Manifest<Extra> | string> {
  try {
    const text = await readRecord(join(path, manifestName));
    if (text === undefined) return `${manifestName} is missing`;
    const manifest = unsealJson(text, false) as Partial<Manifest<Extra>>;
    return manifest.format === format
      ? (manifest as Manifest<Extra>)
      : `${manifestName} is not of this version`;
  } catch (error) {
    if (error instanceof DamagedRecord) return `${manifestName} ${error.message}`;
    throw error;
  }
}

/** Compares a file with its seal: its content, or what is wrong with it. */
async function lookAt(path: string, { bytes, sha256 }: FileSeal): Promise<Expected | string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 'is missing';
  if (found.size !== bytes) return `has ${found.size} bytes instead of ${bytes}`;
  const hashed = await hashFile(path).catch(() => undefined);
  return hashed?.sha256 === sha256 ? hashed : 'is not what was written';
}

/** Groups of what is trained beside the model: of the same parts as its own, in files of their own. */
export const headGroups = ['heads', 'heads-firstMoment', 'heads-secondMoment'] as const;

/** The copies that training keeps of each parameter: the slots of the optimizer. `average` is the first of the averages. */
export type StateGroup =
  | 'weights'
  | 'average'
  | `average-${number}`
  | `average-power-${number}`
  | 'firstMoment'
  | 'secondMoment'
  | (typeof headGroups)[number];

/** Names of the moving averages with these decays; the first is the one that sampling takes unless told otherwise. */
export function averageGroups(decays: readonly AverageDecay[]): StateGroup[] {
  return decays.map((decay, i): StateGroup => {
    if (i === 0) return 'average';
    return typeof decay === 'number' ? `average-${decay}` : `average-power-${decay.relativeWidth}`;
  });
}

/** Lists all groups of a training with these decays. */
export function stateGroups(decays: readonly AverageDecay[], hasHeads = false): StateGroup[] {
  return [
    'weights',
    ...averageGroups(decays),
    'firstMoment',
    'secondMoment',
    ...(hasHeads ? headGroups : []),
  ];
}

/** State of a loss scale, as JSON. */
export interface LossScaleState {
  readonly scale: number;
  /** Finite steps since the scale last changed. */
  readonly streak: number;
}

const first = 2 ** 15;
const largest = 2 ** 24;
/** Finite steps after which a larger scale is tried. */
const growthSteps = 2000;

/**
 * The factor by which a loss is multiplied, and its gradients divided, so that small gradients do not vanish in float16:
 * halved after each step whose gradients overflow, doubled after 2000 in a row whose do not. Powers of two, which
 * round nothing.
 *
 * Source: Micikevicius et al., "Mixed precision training", arXiv 1710.03740, section 3.2
 */
export class LossScale {
  constructor(private state: LossScaleState = { scale: first, streak: 0 }) {}

  get scale(): number {
    return this.state.scale;
  }

  /** Learns whether a step's gradients were finite. */
  update(finite: boolean): void {
    const { scale, streak } = this.state;
    if (!finite) this.state = { scale: Math.max(1, scale / 2), streak: 0 };
    else if (streak + 1 < growthSteps) this.state = { scale, streak: streak + 1 };
    else this.state = { scale: Math.min(largest, scale * 2), streak: 0 };
  }

  toJSON(): LossScaleState {
    return this.state;
  }
}
