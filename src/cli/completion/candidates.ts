import type { Command } from 'commander';
import { readSchema, stageKinds } from '../../config/schema/schema.js';
import { configurationKeys, stageIds } from './pipeline-keys.js';
import { type Candidate, type ParsedLine, parseLine } from './parse.js';
import { runReferences } from './run-references.js';

/** What a word may be completed to. */
export interface Candidates {
  readonly values: readonly Candidate[];
  /** Which names of files will do as well. */
  readonly files: 'none' | 'all' | 'pipelines';
}

const nothing: Candidates = { values: [], files: 'none' };
const files: Candidates = { values: [], files: 'all' };

/** Works out how the last word may go on. Never fails: a file that cannot be read offers nothing. */
export async function findCandidates(
  program: Command,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Candidates> {
  const line = parseLine(program, words);
  const { values, files: takesFiles } = await all(line, env);
  return { values: values.filter(({ value }) => value.startsWith(line.typed)), files: takesFiles };
}

async function all(
  { command, target, typed, given }: ParsedLine,
  env: NodeJS.ProcessEnv,
): Promise<Candidates> {
  const file = given.find((argument) => /\.ya?ml$/.test(argument));
  switch (target.kind) {
    case 'command':
      return listed(
        command
          .createHelp()
          .visibleCommands(command)
          .map((one) => ({ value: one.name(), description: one.description() })),
      );
    case 'option':
      return listed(
        command
          .createHelp()
          .visibleOptions(command)
          .flatMap(({ long, description }) => (long == null ? [] : [{ value: long, description }])),
      );
    case 'value': {
      const { option } = target;
      if (option.argChoices !== undefined) return listed(option.argChoices.map((value) => ({ value })));
      switch (option.attributeName()) {
        case 'until':
        case 'force':
          return listed(await stageIds(file));
        case 'set':
          return listed(await configurationKeys(file, typed));
        case 'runs':
        case 'output':
        case 'html':
          return files;
        default:
          return nothing;
      }
    }
    case 'argument': {
      const { argument } = target;
      if (argument === undefined) return nothing;
      if (argument.argChoices !== undefined) return listed(argument.argChoices.map((value) => ({ value })));
      if (argument.name() === 'run') return listed(await runReferences(env));
      if (argument.name() === 'kind') return listed(schemaNames());
      if (argument.name() !== 'file') return nothing;
      return command.name() === 'import' ? files : { values: [], files: 'pipelines' };
    }
  }
}

function schemaNames(): readonly Candidate[] {
  return ['pipeline', ...stageKinds(readSchema('pipeline.schema.json'))].map((value) => ({ value }));
}

const listed = (values: readonly Candidate[]): Candidates => ({ values, files: 'none' });
