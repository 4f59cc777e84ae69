import { fileURLToPath } from 'node:url';
import { UserError } from '../../base/errors.js';
import { readWholeText } from '../../base/files.js';
import { nearest } from '../../base/nearest.js';
import { editorStageSchema } from '../../runner/schema/editor.js';
import { readSchema, schemaDirectory, stageKinds } from '../../runner/schema/schema.js';
import { exitCodes, type Services } from '../services.js';

export interface SchemaOptions {
  readonly path?: boolean;
}

/**
 * `pipeline schema`: prints a schema, or where it is. What to write into a pipeline file for an editor goes to the
 * terminal beside it, so that the schema itself can be sent to a file. Gives the exit code.
 */
export async function schema(
  kind: string,
  options: SchemaOptions,
  { stdout, stderr }: Services,
): Promise<number> {
  const name = fileFor(kind);
  const path = fileURLToPath(new URL(name, schemaDirectory));
  if (options.path === true) {
    stdout.write(`${path}\n`);
    return exitCodes.done;
  }
  stdout.write(
    kind === 'pipeline'
      ? await readWholeText(path)
      : `${JSON.stringify(editorStageSchema(readSchema(name)), undefined, 2)}\n`,
  );
  if (kind === 'pipeline' && stderr.isTTY)
    stderr.write(
      `\nFor completion in an editor, at the top of a pipeline file:\n# yaml-language-server: $schema=${path}\n`,
    );
  return exitCodes.done;
}

function fileFor(kind: string): string {
  if (kind === 'pipeline') return 'editor.schema.json';
  const kinds = stageKinds(readSchema('pipeline.schema.json'));
  if (kinds.includes(kind)) return `stages/${kind}.schema.json`;
  const near = nearest(kind, ['pipeline', ...kinds]);
  throw new UserError({
    code: 'no-such-schema',
    usage: true,
    message: `There is no schema of ${kind}.`,
    remedy: near === undefined ? `There are: pipeline, ${kinds.join(', ')}.` : `Did you mean ${near}?`,
  });
}
