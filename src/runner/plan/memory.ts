import type { Acceptance } from '../stage.js';
import type { Manifest, OutputPlace } from '../store/manifest.js';
import { History } from '../store/session.js';
import { type InputProgress, InputReader } from './read-inputs.js';

/** Outputs that are not in the store and can be brought there, such as those of a remote. */
export interface Elsewhere {
  find(output: Pick<OutputPlace, 'kind' | 'fingerprint'>): Promise<Manifest | undefined>;
  /** The output that was accepted in the place of one, as far as someone tells. */
  accepted?(output: Pick<OutputPlace, 'kind' | 'fingerprint'>): Acceptance | undefined;
  /** Fingerprints that a stage's output may have whose inputs are not here. */
  fingerprints(stage: string, kind: string): readonly string[];
}

export interface PlanMemoryOptions {
  readonly runsRoot: string;
  readonly signal?: AbortSignal | undefined;
  readonly onInputProgress?: ((progress: InputProgress) => void) | undefined;
  readonly elsewhere?: Elsewhere | undefined;
}

/**
 * Findings that the plans of several pipelines share, such as the trials of a sweep: what they have in common is looked
 * at once.
 */
export class PlanMemory {
  readonly reader: InputReader;
  readonly elsewhere: Elsewhere | undefined;
  private readonly runsRoot: string;
  private readonly known = new Map<string, Promise<unknown>>();

  constructor({ runsRoot, signal, onInputProgress, elsewhere }: PlanMemoryOptions) {
    this.elsewhere = elsewhere;
    this.runsRoot = runsRoot;
    this.reader = new InputReader(runsRoot, {
      ...(signal && { signal }),
      ...(onInputProgress && { onProgress: onInputProgress }),
    });
  }

  history(pipelineName: string): Promise<History> {
    return this.once(`history ${pipelineName}`, () => History.open(this.runsRoot, pipelineName));
  }

  /** Finding under this key: an earlier one, or what `find` gives now. */
  once<Found>(key: string, find: () => Promise<Found>): Promise<Found> {
    const known = this.known.get(key) as Promise<Found> | undefined;
    if (known) return known;
    const found = find();
    this.known.set(key, found);
    return found;
  }
}
