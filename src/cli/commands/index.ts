import type { CommandDeclaration } from '../command.js';

/** Every command by its name, in the order in which help lists them. Only what is called is loaded. */
export const commands: Readonly<Record<string, () => Promise<CommandDeclaration>>> = {
  run: async () => (await import('./run.command.js')).runCommand,
  validate: async () => (await import('./validate.command.js')).validateCommand,
  plan: async () => (await import('./plan.command.js')).planCommand,
  sweep: async () => (await import('./sweep.command.js')).sweepCommand,
  accept: async () => (await import('./accept.command.js')).acceptCommand,
  lock: async () => (await import('./lock.command.js')).lockCommand,
  gc: async () => (await import('./gc.command.js')).gcCommand,
  status: async () => (await import('./status.command.js')).statusCommand,
  calibrate: async () => (await import('./calibrate.command.js')).calibrateCommand,
  compare: async () => (await import('./compare.command.js')).compareCommand,
  report: async () => (await import('./report.command.js')).reportCommand,
  ui: async () => (await import('./ui.command.js')).uiCommand,
  schema: async () => (await import('./schema.command.js')).schemaCommand,
  completion: async () => (await import('./completion.command.js')).completionCommand,
  import: async () => (await import('./import.command.js')).importCommand,
  export: async () => (await import('./export.command.js')).exportCommand,
  doctor: async () => (await import('./doctor.command.js')).doctorCommand,
  worker: async () => (await import('./worker.command.js')).workerCommand,
};
