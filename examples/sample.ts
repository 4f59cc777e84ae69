import { Autoencoder, Decoder, imageGrid, sampleOde, sampleSde, SiT, writePng } from 'mediator-sit';

/**
 * Draws images from what a pipeline trained: the outputs of its stages `train` and `autoencoder`, which every run links to.
 *
 *   npx tsx examples/sample.ts runs/quickstart/latest/train runs/quickstart/latest/autoencoder [OUT.png]
 */

const [model, decoder, out = 'drawn.png'] = process.argv.slice(2);
if (model === undefined || decoder === undefined) throw new Error('Name a model and an autoencoder.');

const sit = await SiT.open(model);
const autoencoder = await Autoencoder.open(decoder, {});
const { classes } = sit;
const labels = classes.flatMap((_, label) => Array<number>(4).fill(label));
console.log(`${classes.join(', ')}: 4 of each, with ${Math.max(...sit.config.mediators)} mediators at most`);

const bySde = await sampleSde(sit, { labels, seed: 1, steps: 50, guidanceScale: 2 });
const byOde = await sampleOde(sit, { labels, seed: 1, steps: 20, method: 'heun', guidanceScale: 2 });
const images = [];
for (const { latents } of [bySde, byOde])
  images.push(...(await new Decoder(autoencoder, 16).decode(latents)));
// A column a sample: by the SDE above, by the ODE below.
await writePng(out, imageGrid(images, { columns: labels.length, scale: 2 }));
console.log(`Drawn: ${out}`);
await Promise.all([sit.close(), autoencoder.close()]);
