import { existsSync } from 'node:fs';
import { UserError } from '../../base/errors.js';
import { sealJson } from '../../base/sealed.js';
import type { Acceptance } from '../stage.js';
import { findOutput } from '../store/find-output.js';
import { hashesFolder, type Manifest, outputContent, outputPlace, replaceFile } from '../store/manifest.js';
import type { OutputPlace } from '../store/manifest.js';
import { History } from '../store/session.js';
import { compareOrigins, listingsOf } from './explain.js';
import type { PlannedStage } from './plan.js';
import { formatReason, type Reason } from './reasons.js';

/**
 * Makes a stage keep the latest of its outputs that is whole, though its configuration, code or inputs have changed.
 *
 * @throws UserError `nothing-to-accept` where it never had one
 */
export async function acceptOutput(
  { stage, kind, origin, contents, fingerprint, place }: PlannedStage,
  pipelineName: string,
  runsRoot: string,
): Promise<{ readonly output: Manifest; readonly reasons: readonly Reason[] }> {
  const history = await History.open(runsRoot, pipelineName);
  for (const earlier of history.fingerprints(stage.id, stage.kind)) {
    const found = await findOutput(outputPlace(runsRoot, stage.kind, earlier), hashesFolder(runsRoot));
    if (found.state !== 'whole') continue;
    const output = found.manifest;
    const listings = listingsOf(runsRoot, contents);
    const reasons = await compareOrigins(stage.id, output.origin, origin, listings, stage.own);
    const acceptance: Acceptance = {
      output: output.fingerprint,
      at: new Date().toISOString(),
      differences: reasons.map(formatReason),
    };
    await writeAcceptance(place, acceptance);
    const content = outputContent(kind, output);
    await history.add({
      ...{ stage: stage.id, kind: stage.kind, content },
      fingerprint: earlier,
      accepted: fingerprint,
    });
    return { output, reasons };
  }
  throw new UserError({
    code: 'nothing-to-accept',
    message: `${stage.id} has no finished output to keep.`,
    remedy: 'Run it.',
  });
}

/**
 * Makes an acceptance of another store one of this store, where nothing says otherwise here: neither an output of its
 * own, nor another acceptance.
 */
export async function takeAcceptance(place: OutputPlace, acceptance: Acceptance): Promise<void> {
  if (existsSync(place.directory) || existsSync(place.acceptance)) return;
  await writeAcceptance(place, acceptance);
}

const writeAcceptance = ({ acceptance, fingerprint }: OutputPlace, content: Acceptance): Promise<void> =>
  replaceFile(acceptance, sealJson({ fingerprint, ...content }));
