import { readClassNames } from '../../data/images/class-names.js';
import type { ModelHints } from '../../weights/model-source.js';
import { openWeights, type WeightsSource } from '../../weights/open.js';
import { writeAutoencoder, writeSaved } from '../../weights/write.js';
import type { Services } from '../services.js';
import { transfer, type TransferOptions, writeFolder } from '../transfer.js';
import { withoutEffect } from '../without-effect.js';

export interface ImportOptions extends Omit<ModelHints, 'classes'>, TransferOptions {
  readonly classes?: string;
}

/** `pipeline import`: converts weights into a folder of this project. Gives the exit code. */
export function importWeights(
  name: string,
  folder: string,
  options: ImportOptions,
  services: Services,
): Promise<number> {
  return transfer(folder, options, services, async (work) => {
    const classes = options.classes === undefined ? undefined : (await readClassNames(options.classes)).names;
    const opened = await openWeights(name, { ...options, classes }, { ...work, env: services.env });
    try {
      if (opened.kind === 'autoencoder') refuseHints(options);
      for (const line of sentencesOf(opened)) services.stderr.write(`${line}\n`);
      return await writeFolder(folder, options, opened.kind, (directory) =>
        opened.kind === 'model'
          ? writeSaved(opened.source, directory, work)
          : writeAutoencoder(opened.source, directory, work),
      );
    } finally {
      await opened.source.close();
    }
  });
}

const sentencesOf = (opened: WeightsSource): readonly string[] =>
  opened.kind === 'model' ? opened.source.told : [...opened.source.told, ...opened.source.doubts];

/** Rejects hints about a model beside an autoencoder. */
function refuseHints(options: ImportOptions): void {
  const hints = {
    ...{ key: '--key', heads: '--heads', labelDropout: '--label-dropout', interpolant: '--interpolant' },
    ...{ prediction: '--prediction', classes: '--classes' },
  };
  const given = Object.entries(hints).find(([key]) => options[key as keyof typeof hints] !== undefined)?.[1];
  const option = given ?? (options.weights === 'all' ? undefined : '--weights');
  if (option !== undefined)
    throw withoutEffect(option, 'these are the weights of an autoencoder, not of a model');
}
