import { Option } from 'commander';
import type { CommandDeclaration } from '../command.js';
import type { SchemaOptions } from './schema.js';

export const schemaCommand: CommandDeclaration = (program, perform) =>
  program
    .command('schema')
    .description('print the JSON Schema of pipeline files, or of one kind of stage')
    .argument('[kind]', 'pipeline, or what `uses` names', 'pipeline')
    .option('--bundle', 'print it with all that it refers to, as one file for an editor')
    .addOption(new Option('--path', 'print only where the file is').conflicts('bundle'))
    .action((kind: string, options: SchemaOptions) =>
      perform(async (services) => (await import('./schema.js')).schema(kind, options, services)),
    );
