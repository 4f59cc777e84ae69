import { encode } from '../../src/models/autoencoder-kl/autoencoder-kl.js';
import type { AutoencoderConfig } from '../../src/models/autoencoder-kl/config.js';
import { autoencoderParameters } from '../../src/models/autoencoder-kl/parameters.js';
import { CompiledProgram, float32, type Tensor4D } from '../../src/tensorflow/index.js';
import { bestOf } from './best-of.js';
import { openSession, weightsIn } from './workload.js';
import { wholeOption } from './command-line.js';

/** Stable Diffusion's autoencoder, and one as small as anyone trains for images of 256 pixels. */
const architectures = {
  "Stable Diffusion's autoencoder": { channels: [128, 256, 512, 512], layersPerBlock: 2, normGroups: 32 },
  'a small autoencoder': { channels: [32, 64, 64, 64], layersPerBlock: 1, normGroups: 32 },
} as const satisfies Record<string, Partial<AutoencoderConfig>>;

/** Measures what the stage `encode` asks of autoencoders: `tsx encoding.ts SIZE` prints images per second of each. */
const size = wholeOption('SIZE', process.argv[2] ?? '256');
const batch = 2;
for (const [name, choice] of Object.entries(architectures)) {
  const config = { imageChannels: 3, latentChannels: 4, patchSize: 1, ...choice };
  const session = openSession({});
  const program = new CompiledProgram(
    session,
    ({ images }: { images: Tensor4D }, weights) => ({ ...encode(weights, config, images) }),
    await weightsIn(session, autoencoderParameters(config)),
  );
  const images = float32(
    [batch, size, size, 3],
    Float32Array.from({ length: batch * size * size * 3 }, (_, i) => Math.sin(i)),
  );
  const seconds = await bestOf(() => program.call({ images }), 2);
  console.log(`${name}: ${(batch / seconds).toPrecision(3)} images/s`);
  await session.close();
}
