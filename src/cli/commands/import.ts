import { readClassNames } from '../../stages/pretrained/class-names.js';
import type { ModelHints } from '../../stages/weights/model-source.js';
import { openWeights } from '../../stages/weights/open-weights.js';
import { writeAutoencoder } from '../../stages/weights/write-autoencoder.js';
import { writeSaved } from '../../stages/weights/write-saved.js';
import type { Services } from '../services.js';
import { type TransferOptions, transfer, writeFolder } from '../transfer.js';

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
  return transfer(options, services, async (work) => {
    const classes = options.classes === undefined ? undefined : await readClassNames(options.classes);
    const opened = await openWeights(name, { ...options, classes }, { ...work, env: services.env });
    try {
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
