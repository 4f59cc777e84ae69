import { access, constants, readFile } from 'node:fs/promises';
import { isMap, isSeq, parseDocument } from 'yaml';
import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import { writeFileWhole } from '../../files/output-file.js';

/**
 * Writes the ratios of a `sample` stage's phases into a pipeline file. Comments and all other values stay as they are.
 *
 * @throws UserError `phases-not-here` where the file does not itself hold as many phases
 */
export async function writeRatios(file: string, stage: string, ratios: readonly number[]): Promise<void> {
  const { document, phases } = await phasesIn(file, stage, ratios.length + 1);
  for (const [i, ratio] of ratios.entries()) {
    const phase = phases.items[i];
    if (!isMap(phase)) continue;
    phase.set('switchRatio', ratio);
  }
  await writeFileWhole(file, document.toString({ lineWidth: 0, flowCollectionPadding: true }));
}

/**
 * The phases of a `sample` stage in a pipeline file that can be written to.
 *
 * @throws UserError `phases-not-here` where the file does not itself hold as many
 */
export async function phasesIn(file: string, stage: string, count: number) {
  const text = await access(file, constants.R_OK | constants.W_OK)
    .then(() => readFile(file, 'utf8'))
    .catch((error: unknown) => {
      throw asUserError(error, file);
    });
  const document = parseDocument(text, { keepSourceTokens: true });
  const phases: unknown = document.getIn(['stages', stage, 'phases']);
  if (document.errors.length > 0 || !isSeq(phases) || phases.items.length !== count)
    throw new UserError({
      code: 'phases-not-here',
      usage: true,
      message: `${file} does not itself hold ${count} phases of the stage ${stage}.`,
      remedy: `Write them there first: \`phases: [{ model: …, switchRatio: 0.9 }, …]\`.`,
    });
  return { document, phases };
}
