import { UserError } from '../errors.js';
import { type EngineChoice, startEngine } from './engine.js';
import { nativeBackend } from './native-backend.js';

/** What computes on this machine, found by loading it. */
export interface EngineReport extends EngineChoice {
  /** Kinds of devices that TensorFlow sees; empty for the fallback. */
  readonly devices: readonly string[];
  readonly problems: readonly { readonly message: string; readonly remedy: string | undefined }[];
}

/** Loads what computes here and asks it; problems are part of the answer, never thrown. */
export async function engineReport(): Promise<EngineReport> {
  try {
    const choice = await startEngine();
    return { ...choice, devices: choice.kind === 'native' ? nativeBackend().devices : [], problems: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: 'native', devices: [], problems: [{ message: error.message, remedy: error.remedy }] };
  }
}
