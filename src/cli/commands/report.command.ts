import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';
import type { ReportOptions } from './report.js';

export const reportCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('report'))
    .description('write one HTML page about a run, finished or not, that needs no other file')
    .argument('[run]', 'latest, latest~1, a pipeline, or the beginning of a run', 'latest')
    .option('-o, --output <file>', "where to write it (default: run.html in the run's folder)")
    .action((reference: string, options: ReportOptions) =>
      perform(async (services) => (await import('./report.js')).report(reference, options, services)),
    );
