import { join } from 'node:path';
import { readInputText } from '../../files/input-file.js';

/** A choice of ratios that no other beats, as predicted from recorded paths and as found by following it. */
export interface CalibratedChoice {
  /** One for each phase but the last. */
  readonly ratios: readonly number[];
  /** Average multiply-accumulates of a sample. */
  readonly cost: number;
  /** Share of multiply-accumulates saved against the largest model alone. */
  readonly saved: number;
  /** Mean absolute difference of normalised latents to those of the largest model, from the same noise. */
  readonly deviation: number;
  readonly predicted: { readonly cost: number; readonly deviation: number };
}

/** `calibration.json` */
export interface Calibration {
  readonly samples: number;
  /** Choices whose costs were predicted. */
  readonly considered: number;
  readonly phases: readonly { readonly stage: string; readonly cost: number; readonly deviation: number }[];
  /** The frontier, cheapest first. */
  readonly choices: readonly CalibratedChoice[];
  /** Place of the choice at which the frontier bends most. */
  readonly knee: number;
}

export const calibrationName = 'calibration.json';

export async function readCalibration(directory: string): Promise<Calibration> {
  return JSON.parse(await readInputText(join(directory, calibrationName))) as Calibration;
}
