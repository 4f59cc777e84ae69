import type { CommandDeclaration } from '../command.js';
import { calibrateCommand } from './calibrate.command.js';
import { compareCommand } from './compare.command.js';
import { completionCommand } from './completion.command.js';
import { doctorCommand } from './doctor.command.js';
import { gcCommand } from './gc.command.js';
import { exportCommand } from './export.command.js';
import { importCommand } from './import.command.js';
import { lockCommand } from './lock.command.js';
import { planCommand } from './plan.command.js';
import { reportCommand } from './report.command.js';
import { runCommand } from './run.command.js';
import { schemaCommand } from './schema.command.js';
import { statusCommand } from './status.command.js';
import { sweepCommand } from './sweep.command.js';
import { uiCommand } from './ui.command.js';
import { validateCommand } from './validate.command.js';
import { workerCommand } from './worker.command.js';

/** Every command, in the order in which help lists them. */
export const commands: readonly CommandDeclaration[] = [
  runCommand,
  validateCommand,
  planCommand,
  sweepCommand,
  lockCommand,
  gcCommand,
  statusCommand,
  calibrateCommand,
  compareCommand,
  reportCommand,
  uiCommand,
  schemaCommand,
  completionCommand,
  importCommand,
  exportCommand,
  doctorCommand,
  workerCommand,
];
