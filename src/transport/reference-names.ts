import { odeIntegrators, sdeIntegrators } from './integrators.js';
import type { DiffusionForm, InterpolantName, LastStep, LossWeight, Prediction } from './names.js';

/** The names of fixtures, which are those of the PyTorch reference and of torchdiffeq, and ours. */
const referenceNames = {
  interpolant: { Linear: 'linear', GVP: 'gvp', VP: 'vp' } satisfies Record<string, InterpolantName>,
  // The reference has no prediction of the data, and refuses the name.
  prediction: { velocity: 'velocity', score: 'score', noise: 'noise', data: 'data' } satisfies Record<
    string,
    Prediction
  >,
  lossWeight: { none: 'none', velocity: 'velocity', likelihood: 'likelihood' } satisfies Record<
    string,
    LossWeight
  >,
  diffusion: {
    constant: 'constant',
    SBDM: 'sbdm',
    sigma: 'sigma',
    linear: 'linear',
    decreasing: 'decreasing',
    'increasing-decreasing': 'increasingDecreasing',
  } satisfies Record<string, DiffusionForm>,
  sdeMethod: byReference(sdeIntegrators),
  lastStep: { Mean: 'mean', Tweedie: 'tweedie', Euler: 'euler', None: 'none' } satisfies Record<
    string,
    LastStep
  >,
  odeMethod: byReference(odeIntegrators),
};

/** Names of integrators by what the reference calls them. */
function byReference<Method extends string>(
  table: Readonly<Record<Method, object>>,
): Readonly<Record<string, Method>> {
  const entries = Object.entries<{ readonly reference?: string }>(table);
  return Object.fromEntries(
    entries.flatMap(([method, { reference }]) =>
      reference === undefined ? [] : [[reference, method as Method]],
    ),
  );
}

type Names = typeof referenceNames;

/** The reference's name for a name of ours. */
export function theirs<K extends keyof Names>(kind: K, name: Names[K][keyof Names[K]]): string {
  return Object.entries(referenceNames[kind]).find(([, own]) => own === name)![0];
}

/** Our name for a name of the reference; nothing where there is none. */
export function ours<K extends keyof Names>(
  kind: K,
  name: string | undefined,
): Names[K][keyof Names[K]] | undefined {
  const names: Readonly<Record<string, unknown>> = referenceNames[kind];
  return name !== undefined && Object.hasOwn(names, name)
    ? (names[name] as Names[K][keyof Names[K]])
    : undefined;
}
