import type { Wheel } from './release.js';

/** A place that wheels come from. */
export interface WheelSource {
  /** Name of the place in messages. */
  readonly name: string;
  /**
   * Brings a wheel onto this disk. Its content is checked by the caller.
   *
   * @throws Error whose message says, in half a sentence, why the wheel is not to be had here.
   */
  fetch(wheel: Wheel, context: FetchContext): Promise<FetchedWheel>;
}

export interface FetchContext {
  /** Folder for what is being downloaded; what an interrupted download left there is continued. */
  readonly downloads: string;
  readonly env: NodeJS.ProcessEnv;
  readonly report: SetupReport;
  readonly signal: AbortSignal | undefined;
  /** Command that fetches it, for the error where that fails. Default: that of the native library. */
  readonly command?: string;
  /** Code of that error. */
  readonly failure?: string;
}

export interface FetchedWheel {
  readonly path: string;
  /** True when we downloaded it, and so may delete it. */
  readonly ours: boolean;
}

/** File that keeps the beginning of a download, to be continued. */
export function partialName(wheel: Wheel): string {
  return `${wheel.filename}.partial`;
}

/** Event of the library's set-up. A closed union. */
export type SetupEvent =
  | { readonly type: 'step'; readonly message: string }
  /** Progress of the current step; `done` and `total` are bytes. */
  | { readonly type: 'progress'; readonly label: string; readonly done: number; readonly total: number }
  | { readonly type: 'warning'; readonly message: string };

export type SetupReport = (event: SetupEvent) => void;
