/** What can be said of a run. `died`: its process ended without a word, as by `kill -9` or a power cut. */
export const runStates = ['running', 'finished', 'failed', 'interrupted', 'died'] as const;
export type RunState = (typeof runStates)[number];
