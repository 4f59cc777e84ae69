import type { ProgramSession, Tensor } from '../../tensorflow/index.js';
import { type SdeSampler, transportOf } from '../../transport/index.js';
import type { BatchSizes } from '../batch-sizes.js';
import { FieldProgram } from '../field-program.js';
import type { Network } from '../network.js';
import { takeRows } from '../rows.js';
import { sdeSampler } from '../sde/index.js';
import { stepInputs } from '../times.js';
import type { GridMethod } from './grid.js';
import { rowsOfAll } from './rows-of-all.js';

type StepInputs = Record<'x' | 't' | 'dt' | 'labels', Tensor>;

/** Steps of an SDE. */
export function sdeSteps(
  session: ProgramSession,
  networks: readonly Network[],
  sampler: SdeSampler & { readonly diffusionNorm: number },
  sizes: BatchSizes,
): GridMethod {
  const programs = networks.map((network) => {
    const transport = transportOf(network.model.transport);
    return {
      step: new FieldProgram(session, network, sizes, (field, inputs: StepInputs & { noise: Tensor }) => ({
        x: sdeSampler(transport, sampler, field).step(inputs).x,
      })),
      last: new FieldProgram(session, network, sizes, (field, inputs: StepInputs) =>
        sdeSampler(transport, sampler, field).lastStep!(inputs),
      ),
    };
  });
  const evaluationsEnd = sampler.method === 'heun' ? 1 : 0;
  return ({ perSample: { labels }, noise }) =>
    programs.map(({ step, last }) => ({
      step: async (x, at, rows) => {
        const inputs = { ...stepInputs(x, at), ...rowsOfAll({ labels }, rows) };
        const drawn = takeRows(await noise!(at.index), rows);
        return (await step.call({ ...inputs, noise: drawn }, [at.t, at.t + evaluationsEnd * at.dt])).x;
      },
      ...(sampler.lastStep !== 'none' && {
        lastStep: async (x, at, rows) =>
          (await last.call({ ...stepInputs(x, at), ...rowsOfAll({ labels }, rows) }, [at.t, at.t])).x,
      }),
    }));
}
